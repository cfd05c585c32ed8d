"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_sre_observability import SreObservabilitySkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "every call needs a backend; tests/observability makes them"


class TestSreObservability(SkillServerContract):
    skill_class = SreObservabilitySkill
    entry_point = "sre-observability"
    probes = Probes(wrong=Probe("prometheus_query", {"query": 1}))
    lacks = dict.fromkeys(("example", "echo", "slow", "flood", "count"), WHY)
