"""The skill `k8s-ops`: what runs on the cluster, looked at and managed with kubectl. The class is for the control plane; the tool server is
`python -m sympozium_skill_k8s_ops`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class K8sOpsSkill(Skill):
    def module(self) -> str:
        return __name__
