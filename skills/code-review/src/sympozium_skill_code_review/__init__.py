"""The skill `code-review`: instructions alone, for the tools that every agent has."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class CodeReviewSkill(Skill):
    pass
