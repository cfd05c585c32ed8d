from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts import builtin_kinds as kinds
from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.installer.readiness import has_failed, has_life, waits_for


def _obj(spec: dict[str, Any] | None = None, generation: int = 2, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x", "generation": generation}, "spec": spec or {}, "status": status}


def _condition(type: str, status: str = "True", message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": type, "status": status, "message": message}]}


READY = [
    (kinds.DEPLOYMENT, _obj({"replicas": 2}, observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=2)),
    (kinds.DEPLOYMENT, _obj({"replicas": 0}, observedGeneration=2)),
    (kinds.STATEFUL_SET, _obj({"replicas": 1}, observedGeneration=2, updatedReplicas=1, readyReplicas=1)),
    (kinds.JOB, _obj(**_condition("Complete"))),
    (kinds.CUSTOM_RESOURCE_DEFINITION, _obj(**_condition("Established"))),
    (kinds.HORIZONTAL_POD_AUTOSCALER, _obj({"minReplicas": 2}, currentReplicas=2)),
    (kinds.SERVICE, _obj()),
]
WAITING = [
    (kinds.DEPLOYMENT, _obj({"replicas": 2}, observedGeneration=1, replicas=2, updatedReplicas=2, availableReplicas=2), "not seen"),
    (kinds.DEPLOYMENT, _obj({"replicas": 2}, observedGeneration=2, replicas=2, updatedReplicas=1), "1 of 2 pods are of this version"),
    (kinds.DEPLOYMENT, _obj({"replicas": 2}, observedGeneration=2, replicas=3, updatedReplicas=2, availableReplicas=2), "still there"),
    (kinds.DEPLOYMENT, _obj({"replicas": 2}, observedGeneration=2, replicas=2, updatedReplicas=2, availableReplicas=1), "1 of 2 pods are ready"),
    (kinds.STATEFUL_SET, _obj({"replicas": 1}, observedGeneration=2, updatedReplicas=1), "0 of 1 pods are ready"),
    (
        kinds.STATEFUL_SET,
        _obj({"replicas": 1}, observedGeneration=2, updatedReplicas=1, readyReplicas=1, updateRevision="b", currentReplicas=0, currentRevision="a"),
        "of this version",
    ),
    (kinds.JOB, _obj(), "not complete"),
    (kinds.CUSTOM_RESOURCE_DEFINITION, _obj(**_condition("Established", "False")), "not established"),
    (kinds.HORIZONTAL_POD_AUTOSCALER, _obj({"minReplicas": 2}), "0 of at least 2"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "obj"), READY)
def test_ready(kind: ResourceType, obj: dict[str, Any]) -> None:
    assert waits_for(kind, obj) == ""


@pytest.mark.parametrize(("kind", "obj", "said"), WAITING)
def test_waiting(kind: ResourceType, obj: dict[str, Any], said: str) -> None:
    assert has_life(kind)
    assert said in waits_for(kind, obj)
    assert has_failed(kind, obj) == ""


def test_what_will_never_be_ready_is_said_at_once() -> None:
    assert has_failed(
        kinds.JOB, _obj(**_condition("Failed", message="Job has reached the specified backoff limit"))
    ).startswith("Job has")
    assert (
        has_failed(kinds.CUSTOM_RESOURCE_DEFINITION, _obj(**_condition("NonStructuralSchema", message="spec: bad")))
        == "spec: bad"
    )
