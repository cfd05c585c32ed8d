"""What every pod and container of a run is held to: Pod Security ``restricted``, and a root that cannot be written."""

from __future__ import annotations

from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import HostAccess

UID = 1000
"""Of every process of a run, and the group of its volumes."""


def of_pod() -> Object:
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def of_container(host: HostAccess | None = None) -> Object:
    """`host` is what a policy lets this one container have of its node; a namespace that enforces Pod Security refuses its pod."""
    found: Object = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    if host is not None and host.run_as_root:
        found |= {"runAsUser": 0, "runAsNonRoot": False}
    if host is not None and host.privileged:
        found |= {"privileged": True, "allowPrivilegeEscalation": True, "capabilities": {}}
    return found
