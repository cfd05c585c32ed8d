"""Whether a run waits for a person: a condition of Running, no phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.reconcile.conditions import is_true

WAITING = "WaitingForApproval"


async def tell(context: RunContext, run: Object) -> Object:
    """The run with its condition as it is now."""
    pending = context.approvals.open_of(run["metadata"]["uid"])
    if not pending and not is_true(status_of(run), WAITING):
        return run
    told = ", ".join(f"{each['spec']['tool']} ({each['metadata']['name']})" for each in pending)
    reason = "ApprovalRequested" if pending else "Decided"
    found = conditions(run, WAITING, bool(pending), reason, told, context.clock)
    run = await write_status(context.cluster, run, {"conditions": found})
    await context.runs.wait_until(run["metadata"]["resourceVersion"])  # the next to write a condition sees this one
    return run


def over(run: Mapping[str, Any], clock: Clock) -> Mapping[str, Any]:
    """The run as it is to be looked at when it ends: it waits for nobody."""
    if not is_true(status_of(run), WAITING):
        return run
    found = conditions(run, WAITING, False, "RunEnded", "", clock)
    return {**run, "status": {**status_of(run), "conditions": found}}
