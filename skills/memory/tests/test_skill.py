"""The package, its folder and its tool server keep the contracts of skills and of tool servers."""

from __future__ import annotations

from sympozium_skill_memory import MemorySkill

from sympozium_core.resources.skill_calls import AskedCall
from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

NOTE = "The payments API needs 256Mi."


class TestMemory(SkillServerContract):
    skill_class = MemorySkill
    entry_point = "memory"
    examples = (
        AskedCall("memory_store", {"content": NOTE, "tags": ["payments"]}, contains="stored as note 1"),
        AskedCall("memory_search", {"query": "payments memory"}, contains=NOTE),
        AskedCall("memory_list", {"tags": ["payments"]}, contains="#payments"),
        AskedCall("memory_list", {"tags": ["two words"]}, status="error", contains="one word"),
    )
    probes = Probes(
        example=Probe("memory_list", {}),
        wrong=Probe("memory_search", {"query": 5}),
    )
    lacks = dict.fromkeys(
        ("echo", "slow", "flood", "count"), "its answers are short and quick, and it has no file of the workspace"
    )
