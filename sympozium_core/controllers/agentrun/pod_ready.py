"""Why a run's pod does not start, for its user: a condition and an Event, once for each reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.sandbox import NoRoom, PodStatus
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.names import Phase
from sympozium_core.reconcile.conditions import get_condition

POD_READY = "PodReady"
MAX_MESSAGE = 1000
_REASONED = re.compile(r"([A-Z][A-Za-z]{1,60}): (.*)", re.DOTALL)


async def tell(context: RunContext, run: Object, status: PodStatus) -> Object:
    """The run, with the condition where there is anything to say: a pod that comes up by itself costs no write."""
    if status.state == "starting" and status.message:
        return await _held_up(context, run, *_parts(status.message))
    if status.state == "running" and _reason(run):
        return await _write(context, run, True, "Running", "")
    return run


async def refused(context: RunContext, run: Object, refusal: NoRoom) -> Object:
    """The run, with the condition: its pod was not made."""
    return await _held_up(context, run, refusal.reason, str(refusal))


def was_refused(run: Mapping[str, Any]) -> bool:
    """Whether the pod was not made when it was asked for, and has not come up since."""
    return _reason(run) == NoRoom.reason


def problem(run: Mapping[str, Any]) -> str:
    """Why the pod is not there; empty when it is, or nothing is known."""
    found = _not_ready(run)
    return f"{found['reason']}: {found['message']}" if found is not None else ""


def _not_ready(run: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = get_condition(status_of(run), POD_READY)
    return found if found is not None and found.get("status") == "False" else None


def _reason(run: Mapping[str, Any]) -> str:
    """Why the pod is not there, in one word; empty when it is, or nothing is known."""
    return str((_not_ready(run) or {}).get("reason") or "")


async def _held_up(context: RunContext, run: Object, reason: str, message: str) -> Object:
    if _reason(run) == reason:
        return run  # the rest of the text often counts seconds or tries
    context.warning(run, reason, message[:MAX_MESSAGE])
    return await _write(context, run, False, reason, message[:MAX_MESSAGE])


async def _write(context: RunContext, run: Object, ready: bool, reason: str, message: str) -> Object:
    told = conditions(run, POD_READY, ready, reason, message, context.clock)
    changes = {"conditions": told} if ready else {"conditions": told, "phase": Phase.PENDING}
    written = await write_status(context.cluster, run, changes)
    await context.runs.wait_until(written["metadata"]["resourceVersion"])  # or the next look would say it again
    return written


def _parts(text: str) -> tuple[str, str]:
    """``FailedScheduling: 0/1 nodes are available`` into the word and the rest."""
    found = _REASONED.fullmatch(text)
    return (found[1], found[2]) if found else ("Waiting", text)
