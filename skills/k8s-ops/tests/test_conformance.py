"""The skill passes the suite that is there for everybody's."""

from __future__ import annotations

from sympozium_skill_k8s_ops import K8sOpsSkill

from sympozium_core.testing.skill import Probe, Probes, SkillServerContract

WHY = "every call needs a cluster; tests/kubernetes makes them"


class TestK8sOps(SkillServerContract):
    skill_class = K8sOpsSkill
    entry_point = "k8s-ops"
    probes = Probes(wrong=Probe("k8s_logs", {"pod": "--all"}))
    lacks = dict.fromkeys(("example", "echo", "slow", "flood", "count"), WHY)
