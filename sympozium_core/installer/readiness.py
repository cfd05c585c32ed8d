"""Whether an object of the installation does its work yet, by its own status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sympozium_core.contracts.builtin_kinds import (
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    STATEFUL_SET,
)
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.installation.certmanager import CERTIFICATE

Status = Mapping[str, Any]
READY = ""


def has_life(kind: ResourceType) -> bool:
    """Whether an object of the kind does its work only after a while."""
    return kind.kind in _CHECKS


def waits_for(kind: ResourceType, obj: Mapping[str, Any]) -> str:
    """What is still missing, in a few words; empty when it is ready. Kinds without a life of their own are ready at once."""
    check = _CHECKS.get(kind.kind)
    if check is None:
        return READY
    status = obj.get("status") or {}
    if kind in (DEPLOYMENT, STATEFUL_SET) and (status.get("observedGeneration") or 0) < obj["metadata"].get("generation", 0):
        return "not seen by its controller yet"
    return check(obj, status)


def has_failed(kind: ResourceType, obj: Mapping[str, Any]) -> str:
    """Why waiting longer is of no use; empty where it may be."""
    status = obj.get("status") or {}
    if kind == JOB and (failed := _condition(status, "Failed")):
        return str(failed.get("message") or "failed")
    if kind == CUSTOM_RESOURCE_DEFINITION and (bad := _condition(status, "NonStructuralSchema")):
        return str(bad.get("message"))
    return ""


def _definition(obj: Mapping[str, Any], status: Status) -> str:
    return READY if _condition(status, "Established") else "not established"


def _job(obj: Mapping[str, Any], status: Status) -> str:
    return READY if _condition(status, "Complete") else "not complete"


def _deployment(obj: Mapping[str, Any], status: Status) -> str:
    wanted = obj["spec"].get("replicas", 1)
    updated, available = status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0
    if updated < wanted:
        return f"{updated} of {wanted} pods are of this version"
    if (status.get("replicas") or 0) > updated:
        return f"{status['replicas'] - updated} pods of the version before are still there"
    return READY if available >= wanted else f"{available} of {wanted} pods are ready"


def _stateful_set(obj: Mapping[str, Any], status: Status) -> str:
    wanted = obj["spec"].get("replicas", 1)
    updated, ready = status.get("updatedReplicas") or 0, status.get("readyReplicas") or 0
    if updated < wanted or status.get("updateRevision") != status.get("currentRevision"):
        return f"{updated} of {wanted} pods are of this version"
    return READY if ready >= wanted else f"{ready} of {wanted} pods are ready"


def _autoscaler(obj: Mapping[str, Any], status: Status) -> str:
    """Metrics or none, it sees to the least number."""
    least, current = obj["spec"].get("minReplicas", 1), status.get("currentReplicas") or 0
    return READY if current >= least else f"{current} of at least {least} pods are asked for"


def _certificate(obj: Mapping[str, Any], status: Status) -> str:
    return READY if _condition(status, "Ready") else "not issued by cert-manager"


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Status], str]] = {
    CUSTOM_RESOURCE_DEFINITION.kind: _definition,
    JOB.kind: _job,
    DEPLOYMENT.kind: _deployment,
    STATEFUL_SET.kind: _stateful_set,
    HORIZONTAL_POD_AUTOSCALER.kind: _autoscaler,
    CERTIFICATE.kind: _certificate,
}


def _condition(status: Status, type: str) -> Mapping[str, Any]:
    """The condition, if it is true; else nothing."""
    found: list[Mapping[str, Any]] = status.get("conditions") or []
    return next((each for each in found if each.get("type") == type and each.get("status") == "True"), {})
