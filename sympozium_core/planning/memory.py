"""An instance's memory: which runs have it, what it is called where, and which skill serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.errors import Cause
from sympozium_core.planning.factory import label_value
from sympozium_core.planning.inputs import RunInputs, SkillSource

MEMORY_SKILL = "memory"
"""Serves the memory of every instance that has one."""
BACKEND_FIELD = "spec.memory.backend"
DEFAULT_BACKEND = "sqlite"
"""Keeps the notes of an instance that names no backend."""
TOOLS = ("memory_search", "memory_store", "memory_list")
_NO_PLACE = ("NetworkFileSystem", "NoStorageClass", "ClaimRefused", "VolumeLost")
"""Reasons of the condition MemoryReady with which a pod would wait for its volume for ever."""


def wants_memory(instance: Mapping[str, Any]) -> bool:
    """Whether the instance, in either spelling, has a memory that outlives its runs."""
    memory = instance["spec"].get("memory")
    return isinstance(memory, Mapping) and memory.get("enabled") is not False


def backend_of(instance: Mapping[str, Any]) -> str:
    """Name of the backend that keeps the notes of an instance which has a memory."""
    return str(instance["spec"]["memory"].get("backend") or DEFAULT_BACKEND)


def memory_claim(instance: str) -> str:
    """Name of the PersistentVolumeClaim with an instance's memory: ``<instance>-memory``. It is a label value of pods as well."""
    return f"{label_value(instance, reserve=len('-memory'))}-memory"


def memory_of(inputs: RunInputs) -> str:
    """`PodPlan.memory` of the run; empty for one that has none."""
    if not wants_memory(inputs.instance) or memory_problem(inputs):
        return ""
    if "claims" in inputs.sandbox.features:
        return memory_claim(inputs.run["spec"]["instanceRef"])
    return str(inputs.instance["metadata"].get("uid") or "")


def memory_problem(inputs: RunInputs) -> str:
    """Why the instance's memory has no place here; empty where it has one."""
    if "memory" not in inputs.sandbox.features:
        return f"sandbox {inputs.sandbox.name!r} has no place for it"
    conditions = (inputs.instance.get("status") or {}).get("conditions") or []
    found: Mapping[str, Any] = next((each for each in conditions if each.get("type") == "MemoryReady"), {})
    return str(found.get("message") or found["reason"]) if found.get("reason") in _NO_PLACE else ""


def memory_faults(skill: SkillSource, inputs: RunInputs) -> list[Cause]:
    """Why a skill that was asked for, and needs the memory, cannot have it."""
    if not skill.sidecar.get("mountMemory"):
        return []
    what = f"skill {skill.name!r} needs the instance's memory (sidecar.mountMemory)"
    if not wants_memory(inputs.instance):
        hint = "set spec.memory: {enabled: true} on the instance"
        return [Cause("spec.skills", f"{what}, and instance {inputs.run['spec']['instanceRef']!r} has none", hint)]
    if problem := memory_problem(inputs):
        return [Cause("spec.skills", f"{what}, and {problem}", "give the memory a place, or use an instance without")]
    return []


def backend_faults(inputs: RunInputs) -> list[Cause]:
    """Why the backend that the instance names cannot keep its notes."""
    skill = next((skill for skill in inputs.skills if skill.name == MEMORY_SKILL), None)
    if skill is None or skill.backend is None:
        return []
    name, backend = inputs.run["spec"]["instanceRef"], skill.backend
    if backend.problem:
        return [Cause(BACKEND_FIELD, f"the memory of instance {name!r}: {backend.problem}", backend.hint)]
    if inputs.sandbox.on_this_machine or skill.module or not inputs.instance["spec"]["memory"].get("backend"):
        return []
    what = f"instance {name!r} names backend {backend.name!r}, and its SkillPack {MEMORY_SKILL!r} is of an image, which keeps notes in its own way"
    return [Cause(BACKEND_FIELD, what, "leave the field out, or delete that SkillPack: the package's takes its place")]


def without_memory(skills: tuple[SkillSource, ...], inputs: RunInputs, tools: ToolPolicy) -> tuple[SkillSource, ...]:
    """The skills but for that of the memory where nobody asked for it by name and it would serve nothing: its place is missing, or no tool of its
    may ever be called."""
    if not memory_problem(inputs) and any(tools.decide(tool).action != "deny" for tool in TOOLS):
        return skills
    return tuple(skill for skill in skills if skill.name != MEMORY_SKILL or skill.asked_for)


def memory_notes(inputs: RunInputs) -> list[str]:
    if not wants_memory(inputs.instance):
        return []
    if problem := memory_problem(inputs):
        return [f"the run has no memory: {problem}"]
    if all(skill.name != MEMORY_SKILL for skill in inputs.skills):
        return [f"the run has no memory: no skill {MEMORY_SKILL!r} is installed"]
    return []
