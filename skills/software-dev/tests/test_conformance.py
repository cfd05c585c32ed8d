"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from typing import ClassVar

from sympozium_skill_software_dev import SoftwareDevSkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "every call needs a repository; github-gitops' tests make them"


class TestSoftwareDev(SkillServerContract):
    skill_class = SoftwareDevSkill
    entry_point = "software-dev"
    environment: ClassVar = {"SYMPOZIUM_SKILL_PACK": "software-dev"}
    probes = Probes(wrong=Probe("repo_branch", {"name": 1}))
    lacks = dict.fromkeys(("example", "echo", "slow", "flood", "count"), WHY)
