"""Queued: a run over the concurrency limit waits its turn, in order of creation, and can see its position. It does not fail."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import attempts, before, finished
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.line import position
from sympozium_core.controllers.agentrun.outcome import cancelled
from sympozium_core.controllers.agentrun.status import phase_of, status_of, write_status
from sympozium_core.names import Phase
from sympozium_core.reconcile.controller import Result

AGAIN = 0.05
RECHECK = 30.0
"""Seconds: an ended run wakes the queue at once; this only bounds what a missed wake-up can cost."""


async def wait(context: RunContext, run: Object, stamp: Mapping[str, Any] = MappingProxyType({})) -> Result | None:
    """`stamp` is what of the status is decided and not written yet."""
    if run["spec"].get("cancel"):
        return await finished.end(context, run, cancelled("cancelled while it waited"))
    place = position(context, {**run, "status": {**status_of(run), **stamp}})
    if place == 0:
        return await _start(context, run, stamp)
    if phase_of(run) is not Phase.QUEUED:
        context.normal(run, "Queued", f"waits for a free place, position {place}")
    await write_status(context.cluster, run, {**stamp, "phase": Phase.QUEUED, "queuePosition": place})
    return Result(requeue_after=RECHECK)


async def _start(context: RunContext, run: Object, stamp: Mapping[str, Any]) -> Result | None:
    uid = run["metadata"]["uid"]
    context.claiming.add(uid)
    try:
        claimed = await attempts.claim(context, run, stamp)
        return await before.start(context, claimed) if claimed is not None else Result(requeue_after=AGAIN)
    finally:
        context.claiming.discard(uid)
