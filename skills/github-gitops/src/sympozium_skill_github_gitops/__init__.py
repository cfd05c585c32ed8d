"""The skill `github-gitops`: branches, commits, pull requests and issues of one GitHub repository. The class is for the control plane; the tool
server is `python -m sympozium_skill_github_gitops`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class GithubGitopsSkill(Skill):
    def module(self) -> str:
        return __name__
