"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_github_gitops import GithubGitopsSkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "every call needs a repository; the other tests here make them"


class TestGithubGitops(SkillServerContract):
    skill_class = GithubGitopsSkill
    entry_point = "github-gitops"
    probes = Probes(wrong=Probe("repo_branch", {"name": 1}))
    lacks = dict.fromkeys(("example", "echo", "slow", "flood", "count"), WHY)
