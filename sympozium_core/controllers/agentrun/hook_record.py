"""What a run's status says of its lifecycle hooks, pure: ``status.hooks``, one entry a hook, in the order in which they run.

An entry is ``{name, phase, pod, state, since, startedAt, finishedAt, exitCode, reason, message}``. The id of its pod is there before the pod is. A
hook runs once, whatever dies in between: what its entry says goes before what is seen of its pod.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sympozium_core.clock import rfc3339
from sympozium_core.contracts.plan import HookPhase, RunPlan
from sympozium_core.contracts.sandbox import PodStatus
from sympozium_core.controllers.agentrun.outcome import was_evicted
from sympozium_core.controllers.agentrun.status import status_of
from sympozium_core.names import Reason
from sympozium_core.reconcile.conditions import get_condition, is_true

PRE: HookPhase = "preRun"
POST: HookPhase = "postRun"
PRE_RUN, POST_RUN, POST_RUN_FAILED, SKIPPED = "PreRun", "PostRun", "PostRunFailed", "Skipped"
"""Conditions of a run."""
MAX_LINE = 500
"""Characters of a hook's last words that stand in a status."""

Entry = Mapping[str, Any]
Run = Mapping[str, Any]


class HookState(StrEnum):
    WAITING = "Waiting"
    STARTING = "Starting"
    """Its pod is being made, or comes up."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    """It never started, and never will."""

    @property
    def over(self) -> bool:
        return self in (HookState.SUCCEEDED, HookState.FAILED, HookState.SKIPPED)


@dataclass(frozen=True)
class HookEnd:
    """How a hook came to its end."""

    failure: Reason | None = None
    """None for one that succeeded."""
    message: str = ""
    exit_code: int | None = None
    said: str = ""
    """Why the run is to end without its agent."""


def planned(uid: str, plan: RunPlan) -> list[Entry]:
    """As they are before any of them has started."""
    numbers = {PRE: 0, POST: 0}
    found: list[Entry] = []
    for hook in plan.hooks:
        numbers[hook.phase] += 1
        pod = f"run-{uid}-{hook.phase.removesuffix('Run')}-{numbers[hook.phase]}"
        found.append({"name": hook.name, "phase": hook.phase, "pod": pod, "state": HookState.WAITING})
    return found


def hooks_of(run: Run, phase: HookPhase) -> list[Entry]:
    return [entry for entry in status_of(run).get("hooks") or () if entry["phase"] == phase]


def state_of(entry: Entry) -> HookState:
    return HookState(entry["state"])


def current(run: Run, phase: HookPhase) -> Entry | None:
    """The hook whose turn it is; None when all have had theirs."""
    return next((entry for entry in hooks_of(run, phase) if not state_of(entry).over), None)


def failed(run: Run, phase: HookPhase) -> Entry | None:
    """The first that has failed."""
    return next((entry for entry in hooks_of(run, phase) if state_of(entry) is HookState.FAILED), None)


def before_agent(run: Run) -> bool:
    """Whether the run is still with its preRun hooks."""
    return bool(hooks_of(run, PRE)) and not is_true(status_of(run), PRE_RUN)


def skipped(run: Run) -> str:
    """Why the run ends without its agent; empty when it does not."""
    found = get_condition(status_of(run), SKIPPED)
    return str(found["message"]) if found is not None and found.get("status") == "True" else ""


def changed(run: Run, entry: Entry, **changes: Any) -> list[Entry]:
    """All of the run's hooks, with these fields of one of them changed; None removes a field."""
    new = {key: value for key, value in {**entry, **changes}.items() if value is not None}
    return [new if each["pod"] == entry["pod"] else each for each in status_of(run).get("hooks") or ()]


def closed(run: Run, now: float) -> list[Entry] | None:
    """All of the run's hooks when it ends whatever became of them; None for a run that has none."""
    hooks = status_of(run).get("hooks")
    if not hooks:
        return None
    return [entry if state_of(entry).over else _closed(entry, now) for entry in hooks]


def _closed(entry: Entry, now: float) -> Entry:
    if state_of(entry) is HookState.WAITING:
        return {**entry, "state": HookState.SKIPPED}
    return {**entry, "state": HookState.FAILED, "finishedAt": rfc3339(now), "message": "ended with its run"}


def end_of(status: PodStatus) -> HookEnd:
    """Of a hook whose pod has ended."""
    (container,) = status.containers.values() or (None,)
    if status.lost or container is None or container.exit_code is None:
        why = status.message or (container.message if container is not None else "") or "its pod vanished"
        reason = Reason.EVICTED if was_evicted(status) else Reason.INFRASTRUCTURE_ERROR
        return HookEnd(reason, f"was lost: {why.strip()}; a hook is not run twice")
    code = container.exit_code
    if container.out_of_memory:
        return HookEnd(Reason.OUT_OF_MEMORY, "ran out of memory", code)
    if code == 0:
        return HookEnd(exit_code=0, said=container.said)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    lines = container.message.strip().splitlines()
    return HookEnd(Reason.TOOL_ERROR, f"ended with {how}" + (f": {lines[-1].strip()[:MAX_LINE]}" if lines else ""), code)
