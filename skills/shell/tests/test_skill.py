"""The package as the control plane sees it."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points

from sympozium_skill_shell import ShellSkill

from sympozium_core.contracts.skill import Skill
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.sidecar.interpreter import python_command


def test_the_entry_point_gives_the_skill_and_its_name_is_the_packs() -> None:
    (point,) = entry_points(group="sympozium.skills", name="shell")
    assert point.load() is ShellSkill
    skill = ShellSkill()
    assert isinstance(skill, Skill)
    pack = read_skill_folder(skill.folder())
    assert (pack["kind"], pack["metadata"]["name"]) == ("SkillPack", "shell")
    assert "namespace" not in pack["metadata"]
    assert not pack["spec"]["sidecar"].get("rbac"), "the skill has no rights"
    assert json.loads(json.dumps(pack)) == pack


def test_the_module_starts_by_itself_wherever_it_is_installed() -> None:
    skill = ShellSkill()
    assert skill.command() == ()
    program, *arguments = python_command(skill.module())
    assert program == sys.executable
    assert arguments[-2] == "sympozium_skill_shell"
