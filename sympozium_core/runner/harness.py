"""The runner as a harness: the one of every instance that names none. It is the core's own, and no entry point can take its name."""

from __future__ import annotations

from typing import ClassVar

from sympozium_core.contracts.harness import ALL_ABILITIES, Ability, Harness


class RunnerHarness(Harness):
    """On a cluster its image is that of the installation's runner, which the sandbox driver knows."""

    abilities: ClassVar[frozenset[Ability]] = ALL_ABILITIES

    def module(self) -> str:
        return "sympozium_core.runner"
