"""What every pod and container of a run is held to: Pod Security ``restricted``, and a root that cannot be written."""

from __future__ import annotations

from sympozium_core.contracts.cluster import Object

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


def of_container() -> Object:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
