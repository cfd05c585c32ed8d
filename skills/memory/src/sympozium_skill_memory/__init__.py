"""The skill `memory`: notes from one run to the next. The class is for the control plane; the tool server is `python -m sympozium_skill_memory`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class MemorySkill(Skill):
    def module(self) -> str:
        return __name__
