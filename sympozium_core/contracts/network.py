"""The network profile of a pod, as a short name: the label that a sandbox driver puts on the pod is what the core's NetworkPolicy selects."""

from __future__ import annotations

from sympozium_core.contracts.plan import PodPlan, digest, to_json


def network_digest(plan: PodPlan) -> str:
    """Equal for pods that may reach the same: 16 hex digits, a label value."""
    return digest({"network": plan.network, "egress": to_json(plan.egress)})
