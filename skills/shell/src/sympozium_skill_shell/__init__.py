"""The skill `shell`: commands in the workspace. The class is for the control plane; the tool server is `python -m sympozium_skill_shell`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class ShellSkill(Skill):
    def module(self) -> str:
        return __name__
