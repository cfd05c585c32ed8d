"""Why a run's pod does not start, for its user: a condition and an Event, once for each reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.sandbox import PodStatus
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.reconcile.conditions import get_condition

POD_READY = "PodReady"
MAX_MESSAGE = 1000
_REASONED = re.compile(r"([A-Z][A-Za-z]{1,60}): (.*)", re.DOTALL)


async def tell(context: RunContext, run: Object, status: PodStatus) -> Object:
    """The run, with the condition where there is anything to say: a pod that comes up by itself costs no write."""
    before = get_condition(status_of(run), POD_READY)
    if status.state == "starting" and status.message:
        reason, message = _parts(status.message)
        if before is not None and (before.get("status"), before.get("reason")) == ("False", reason):
            return run  # the rest of the text often counts seconds or tries
        context.warning(run, reason, message)
        return await _write(context, run, False, reason, message)
    if status.state == "running" and before is not None and before.get("status") == "False":
        return await _write(context, run, True, "Running", "")
    return run


def problem(run: Mapping[str, Any]) -> str:
    """Why the pod is not there; empty when it is, or nothing is known."""
    found = get_condition(status_of(run), POD_READY)
    return f"{found['reason']}: {found['message']}" if found is not None and found.get("status") == "False" else ""


async def _write(context: RunContext, run: Object, ready: bool, reason: str, message: str) -> Object:
    told = conditions(run, POD_READY, ready, reason, message, context.clock)
    written = await write_status(context.cluster, run, {"conditions": told})
    await context.runs.wait_until(written["metadata"]["resourceVersion"])  # or the next look would say it again
    return written


def _parts(text: str) -> tuple[str, str]:
    """``FailedScheduling: 0/1 nodes are available`` into the word and the rest."""
    found = _REASONED.fullmatch(text)
    return (found[1], found[2][:MAX_MESSAGE]) if found else ("Waiting", text[:MAX_MESSAGE])
