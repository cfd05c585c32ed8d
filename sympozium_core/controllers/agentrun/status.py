"""Writing an AgentRun's status: one function, both spellings of what two documents name differently, nothing written that is there already."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import Cluster, Object
from sympozium_core.names import Phase
from sympozium_core.reconcile.conditions import with_condition
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.resources.spelling import mirrored


def status_of(run: Mapping[str, Any]) -> Mapping[str, Any]:
    found = run.get("status")
    return found if isinstance(found, Mapping) else {}


def phase_of(run: Mapping[str, Any]) -> Phase | None:
    """None for a run that no controller has seen."""
    phase = status_of(run).get("phase")
    return Phase(phase) if phase else None


class Stage(StrEnum):
    """How far a run is, for those who count and look after runs. A phase tells its user more, and once less: Pending is a run that has no place
    yet, and one whose pod is on its way up."""

    WAITING = "waiting"
    PLACED = "placed"
    """It counts against the limits, and has a pod, or is about to get one."""
    ENDED = "ended"


def stage_of(run: Mapping[str, Any]) -> Stage:
    phase = phase_of(run)
    if phase is not None and phase.terminal:
        return Stage.ENDED
    return Stage.PLACED if status_of(run).get("pod") else Stage.WAITING


def is_current_pod(run: Mapping[str, Any], pod: object) -> bool:
    """Whether this is the id of the pod that the run's agent has now: none once its outcome is known."""
    status = status_of(run)
    return stage_of(run) is Stage.PLACED and status.get("outcome") is None and status.get("pod") == pod


def conditions(run: Mapping[str, Any], type: str, value: bool, reason: str, message: str, clock: Clock) -> list[Any]:
    """The run's conditions with this one set, for `write_status`."""
    generation = run["metadata"].get("generation")
    status = with_condition(status_of(run), type, value, reason=reason, message=message, generation=generation, now=clock.now())
    found: list[Any] = status["conditions"]
    return found


async def write_status(cluster: Cluster, run: Mapping[str, Any], changes: Mapping[str, Any]) -> Object:
    """Merges `changes` into the status (None removes a field) and returns the object as it is then. Raises ApiError."""
    current = status_of(run)
    patch = {key: value for key, value in mirrored(changes).items() if current.get(key) != value}
    if not patch:
        return dict(run)
    metadata = run["metadata"]
    written = await cluster.patch(
        AGENT_RUN,
        metadata["namespace"],
        metadata["name"],
        {"metadata": {"uid": metadata["uid"]}, "status": patch},
        subresource="status",
    )
    # The caller's spec is in normal form, the stored one as its writer spelt it; between the two only `cancel` can differ.
    return {**written, "spec": {**run["spec"], "cancel": bool(written["spec"].get("cancel"))}}
