"""What only a node can limit."""

from __future__ import annotations

import json

from sympozium_core.contracts.builtin_kinds import NODE
from sympozium_core.contracts.cluster import ApiError, metadata
from sympozium_core.installer.doctor.findings import Finding, Subject, passed, warn

ENOUGH = 50
"""Nodes that are looked at."""
_TODO = "set podPidsLimit in the kubelet's configuration (1024 is usual): a run could take all process numbers of its node"


async def process_numbers(subject: Subject) -> list[Finding]:
    """Kubernetes has no field of a pod for it: https://kubernetes.io/docs/concepts/policy/pid-limiting/"""
    nodes = [metadata(node)["name"] for node in (await subject.cluster.list(NODE, limit=ENOUGH)).items]
    unlimited, unknown = [], []
    for name in nodes:
        try:
            answer = json.loads(await subject.cluster.get_path(f"/api/v1/nodes/{name}/proxy/configz"))
            limit = (answer.get("kubeletconfig") or {}).get("podPidsLimit")
        except (ApiError, ValueError):
            unknown.append(name)
            continue
        if not isinstance(limit, int) or limit <= 0:
            unlimited.append(name)
    if unlimited:
        return warn(
            f"{len(unlimited)} of {len(nodes)} nodes do not limit how many processes a pod has",
            _TODO,
            ", ".join(unlimited)[:300],
        )
    if unknown:
        return warn(f"it cannot be told whether {len(unknown)} of {len(nodes)} nodes limit the processes of a pod", _TODO)
    return passed("every node limits how many processes a pod has")
