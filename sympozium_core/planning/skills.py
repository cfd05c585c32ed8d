"""Which skills a run attaches, from its references and what there is: pure, given a way to look one up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.names import Tool
from sympozium_core.planning.inputs import SkillSource, skill_refs
from sympozium_core.planning.memory import MEMORY_SKILL, wants_memory
from sympozium_core.planning.plan import SHELL_SKILL

LEGACY_PREFIX = "skillpack-"
"""The original's names of SkillPacks may carry it."""

Find = Callable[[str], "FoundSkill | None"]


@dataclass(frozen=True)
class FoundSkill:
    """As in `inputs.SkillSource`."""

    pack: Mapping[str, Any]
    command: tuple[str, ...] = ()
    module: str = ""


def attach(run: Mapping[str, Any], instance: Mapping[str, Any], find: Find) -> tuple[tuple[SkillSource, ...], tuple[str, ...]]:
    """The run's skills in order and the names that nothing goes by; then that of the memory, where the instance has one. Where none of them
    declares `execute_command`, the shell comes last."""
    found: list[SkillSource] = []
    missing: list[str] = []
    for reference in skill_refs(run, instance):
        name = (reference.get("skillPackRef") or "").removeprefix(LEGACY_PREFIX)
        skill = find(name)
        if skill is None:
            missing.append(name)
        elif all(other.name != name for other in found):
            found.append(SkillSource(name, skill.pack, reference.get("params") or {}, skill.command, skill.module))
    if wants_memory(instance) and all(skill.name != MEMORY_SKILL for skill in found):
        found += _of_itself(MEMORY_SKILL, find)
    if not any(_serves_commands(skill) for skill in found):
        found += _of_itself(SHELL_SKILL, find)
    return tuple(found), tuple(missing)


def _of_itself(name: str, find: Find) -> list[SkillSource]:
    skill = find(name)
    return [] if skill is None else [SkillSource(name, skill.pack, {}, skill.command, skill.module, asked_for=False)]


def _serves_commands(skill: SkillSource) -> bool:
    tools = (skill.pack["spec"].get("sidecar") or {}).get("tools") or []
    return skill.name == SHELL_SKILL or any(tool.get("name") == Tool.EXECUTE_COMMAND for tool in tools)
