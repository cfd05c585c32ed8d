"""The skill `sre-observability`: questions to Prometheus, Loki and Kubernetes. The class is for the control plane; the tool server is
`python -m sympozium_skill_sre_observability`."""

from __future__ import annotations

from sympozium_core.contracts.skill import Skill


class SreObservabilitySkill(Skill):
    def module(self) -> str:
        return __name__
