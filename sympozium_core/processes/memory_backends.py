"""Which installed backend keeps an instance's notes, and how the sidecar that serves them gets at it. Nothing of it is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.memory import Memory
from sympozium_core.errors import Permanent
from sympozium_core.planning.inputs import MemoryBackend, SkillSource
from sympozium_core.planning.memory import backend_of
from sympozium_core.registry.drivers import Drivers
from sympozium_core.sidecar.interpreter import python_command


class MemoryBackends:
    """What is installed is looked up once: a process knows the packages that were there when it first asked."""

    def __init__(self) -> None:
        self._drivers: Drivers[Memory] = Drivers(names.GROUP_MEMORIES, Memory)
        self._found: dict[str, MemoryBackend] = {}

    def find(self, name: str) -> MemoryBackend:
        if name not in self._found:
            try:
                self._found[name] = MemoryBackend(name, self._drivers.find(name).value)
            except Permanent as error:
                self._found[name] = MemoryBackend(name, problem=error.message, hint=error.hint)
        return self._found[name]

    def serve(self, skill: SkillSource, instance: Mapping[str, Any], module: str) -> SkillSource:
        """The memory's skill with the backend that the instance names, or what is wrong with that. `module` is the installed package's, by which it is
        started on this machine."""
        backend = self.find(backend_of(instance))
        if backend.problem or not (skill.command and module):
            return replace(skill, backend=backend)
        try:
            return replace(skill, backend=backend, command=tuple(python_command(module, backend.module)))
        except ModuleNotFoundError as error:
            problem = f"the memory backend {backend.name!r} cannot be loaded: {error}"
            return replace(skill, backend=replace(backend, problem=problem, hint="install its package anew"))
