"""The skill `memory`: notes from one run to the next. The class is for the control plane; the tool server is `python -m sympozium_skill_memory`."""

from __future__ import annotations

from collections.abc import Sequence

from sympozium_core.contracts.skill import Skill
from sympozium_core.sidecar.interpreter import python_command


class MemorySkill(Skill):
    def module(self) -> str:
        return __name__

    def command(self) -> Sequence[str]:
        """With the backend that it has where nobody says which; the control plane, which knows the instance's, makes its own."""
        return python_command(self.module(), "sympozium_memory_sqlite")
