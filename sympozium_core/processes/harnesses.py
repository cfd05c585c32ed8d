"""The agents' programs that are installed, as planning and admission ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sympozium_core.contracts.harness import ALL_ABILITIES, Harness
from sympozium_core.errors import Permanent
from sympozium_core.names import GROUP_HARNESSES, RUNNER
from sympozium_core.planning.harness import harness_name
from sympozium_core.planning.inputs import HarnessSource
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.loading import one_line
from sympozium_core.runner.harness import RunnerHarness
from sympozium_core.sidecar.interpreter import python_command


def local_command(harness: Harness) -> tuple[str, ...]:
    """How its program is started on this machine; empty for one that is an image only. Raises ModuleNotFoundError."""
    module = harness.module()
    return tuple(harness.command()) or tuple(python_command(module) if module else ())


class Harnesses:
    def __init__(self, drivers: Drivers[Harness], runner_command: tuple[str, ...]) -> None:
        self._drivers, self._runner_command = drivers, runner_command
        self._sources: dict[str, HarnessSource] = {}

    @cached_property
    def _installed(self) -> frozenset[str]:
        """Looked up once: a server knows the packages that were there when it first asked."""
        return frozenset(self._drivers.names())

    def of(self, instance: Mapping[str, Any]) -> HarnessSource:
        """The one that an instance names; `problem` says why it cannot be had."""
        name = harness_name(instance)
        if name == RUNNER:
            return HarnessSource(RUNNER, RunnerHarness.abilities, self._runner_command)
        if name not in self._sources:
            self._sources[name] = self._found(name)
        return self._sources[name]

    def _found(self, name: str) -> HarnessSource:
        if name not in self._installed:
            there = ", ".join(sorted({RUNNER, *self._installed}))
            return HarnessSource(
                name,
                problem=f"it is not installed; there are {there}",
                hint="name one of these in spec.harness of the instance, or pip install the package that brings it and start the server again",
            )
        try:
            harness = self._drivers.get(name)
            return HarnessSource(
                name,
                frozenset(harness.abilities) & ALL_ABILITIES,
                local_command(harness),
                harness.image(),
                tuple(harness.image_command()),
            )
        except Permanent as error:
            return HarnessSource(name, problem=error.message, hint=error.hint)
        except Exception as error:
            return HarnessSource(name, problem=one_line(error), hint="mend its package, or uninstall it")


def harness_drivers(**given: Any) -> Drivers[Harness]:
    return Drivers(GROUP_HARNESSES, Harness, **given)
