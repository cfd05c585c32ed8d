"""The skill `llmfit`: which local model fits this node. The class is for the control plane; the tool server is `python -m sympozium_skill_llmfit`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class LlmfitSkill(Skill):
    def module(self) -> str:
        return __name__
