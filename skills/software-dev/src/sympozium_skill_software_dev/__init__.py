"""The skill `software-dev`: instructions for changing code, with the repository tools of `github-gitops` under its own name."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class SoftwareDevSkill(Skill):
    def module(self) -> str:
        return "sympozium_skill_github_gitops"
