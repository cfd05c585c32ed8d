"""What every pod of ours is held to, whoever makes it: Pod Security ``restricted``, and a root that cannot be written.

The rules: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from typing import Any

UID = 1000
"""Of every process, and the group of its volumes."""


def of_pod() -> dict[str, Any]:
    """`spec.securityContext`, a new one each time."""
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def of_container() -> dict[str, Any]:
    """`securityContext` of a container, a new one each time."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
