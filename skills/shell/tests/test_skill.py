"""The package as the control plane sees it."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points

from sympozium_skill_shell import ShellSkill

from sympozium_core.contracts.skill import Skill


def test_the_entry_point_gives_the_skill_and_its_name_is_the_packs() -> None:
    (point,) = entry_points(group="sympozium.skills", name="shell")
    assert point.load() is ShellSkill
    skill = ShellSkill()
    assert isinstance(skill, Skill)
    pack = skill.pack()
    assert (pack["kind"], pack["metadata"]["name"]) == ("SkillPack", "shell")
    assert "namespace" not in pack["metadata"]
    assert "rbac" not in pack["spec"]["sidecar"], "the skill has no rights"
    assert json.loads(json.dumps(pack)) == pack


def test_the_command_shows_nothing_but_the_module() -> None:
    program, *arguments = ShellSkill().command()
    assert program == sys.executable
    assert arguments[-2] == "sympozium_skill_shell"
