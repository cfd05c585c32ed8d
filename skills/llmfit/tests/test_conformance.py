"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_llmfit import LlmfitSkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "its tools only reckon: soon, shortly, and without leaving anything"


class TestLlmfit(SkillServerContract):
    skill_class = LlmfitSkill
    entry_point = "llmfit"
    probes = Probes(
        example=Probe("model_memory", {"model": "llama3.1:8b"}),
        wrong=Probe("model_fit", {"context": "long"}),
    )
    lacks = dict.fromkeys(("echo", "slow", "flood", "count"), WHY)
