"""Where a pod may run: its node, the kernel under it, and who shares the node with it."""

from __future__ import annotations

import hashlib

from sympozium_core import names
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import PodPlan

HOST = "kubernetes.io/hostname"
_LOST_AFTER = 60
"""Seconds after which a node that does not answer has lost its pods: the run goes on elsewhere from its journal."""


def labels(plan: PodPlan) -> dict[str, str]:
    """By which pods that share a memory find each other."""
    return {names.LABEL_MEMORY: _label_value(plan.memory)} if plan.memory else {}


def rendered(plan: PodPlan) -> Object:
    """Part of the pod's spec."""
    spec: Object = {
        "nodeSelector": {"kubernetes.io/os": "linux", **plan.node_selector},
        "tolerations": [
            {
                "key": f"node.kubernetes.io/{trouble}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": _LOST_AFTER,
            }
            for trouble in ("not-ready", "unreachable")
        ],
    }
    if plan.runtime_class:
        spec["runtimeClassName"] = plan.runtime_class
    if plan.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in plan.image_pull_secrets]
    if plan.memory:
        # The claim can be mounted on one node only, for as many pods there as want it.
        term = {"labelSelector": {"matchLabels": labels(plan)}, "topologyKey": HOST}
        spec["affinity"] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return spec


def _label_value(name: str) -> str:
    """A claim's name may be longer than a label's value."""
    return name if len(name) <= 63 else f"{name[:46].rstrip('.-')}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
