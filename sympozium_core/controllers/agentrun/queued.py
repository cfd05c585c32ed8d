"""Queued: a run over the concurrency limit waits its turn, in order of creation, and can see its position. It does not fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import attempts, finished
from sympozium_core.controllers.agentrun.context import INDEX_PHASE, RunContext, instance_key
from sympozium_core.controllers.agentrun.outcome import cancelled
from sympozium_core.controllers.agentrun.status import phase_of, status_of, write_status
from sympozium_core.names import Phase
from sympozium_core.reconcile.controller import Result

WAITING = ("", Phase.PENDING, Phase.QUEUED)
AGAIN = 0.05
RECHECK = 30.0
"""Seconds: an ended run wakes the queue at once; this only bounds what a missed wake-up can cost."""


async def wait(context: RunContext, run: Object, stamp: Mapping[str, Any] = MappingProxyType({})) -> Result | None:
    """`stamp` is what of the status is decided and not written yet."""
    if run["spec"].get("cancel"):
        return await finished.end(context, run, cancelled("cancelled while it waited"))
    async with context.slots:
        position = _position(context, {**run, "status": {**status_of(run), **stamp}})
        claimed = await attempts.claim(context, run, stamp) if position == 0 else None
    if claimed is not None:
        return await attempts.start(context, claimed)
    if position == 0:
        return Result(requeue_after=AGAIN)
    if phase_of(run) is not Phase.QUEUED:
        context.normal(run, "Queued", f"waits for a free place, position {position}")
    await write_status(context.cluster, run, {**stamp, "phase": Phase.QUEUED, "queuePosition": position})
    return Result(requeue_after=RECHECK)


def _position(context: RunContext, run: Object) -> int:
    """0: may start now; else how many runs start before this one, itself counted."""
    running = _ours(context, Phase.RUNNING)
    waiting = [other for phase in WAITING for other in _ours(context, phase)]
    ahead = [other for other in waiting if _age(other) < _age(run) and not other["metadata"].get("deletionTimestamp")]
    under_way = Counter(map(instance_key, running))
    limit = _instance_limit(run)
    if limit is not None:
        mine = instance_key(run)
        own_free = limit - under_way[mine]
        own_ahead = sum(instance_key(other) == mine for other in ahead)
        if own_free <= own_ahead:
            return own_ahead - max(own_free, 0) + 1
    free = context.settings.max_concurrent_runs - len(running)
    before = _takers(ahead, under_way)
    return 0 if free > before else before - max(free, 0) + 1


def _ours(context: RunContext, phase: str) -> list[Mapping[str, Any]]:
    """Runs in that phase which this process looks after: what is left to another one takes no place here."""
    return [run for run in context.runs.cache.by_index(INDEX_PHASE, phase) if context.is_ours(run)]


def _takers(ahead: Sequence[Mapping[str, Any]], under_way: Counter[str]) -> int:
    """How many of these runs can take a place: one whose instance is at its own limit holds up nobody else's."""
    room: dict[str, int] = {}
    count = 0
    for other in ahead:
        limit, key = _instance_limit(other), instance_key(other)
        if limit is not None:
            left = room.setdefault(key, limit - under_way[key])
            room[key] = left - 1
            if left <= 0:
                continue
        count += 1
    return count


def _instance_limit(run: Mapping[str, Any]) -> int | None:
    """The effective policy's `subagentPolicy.maxConcurrent`, stamped with the plan."""
    limit = (status_of(run).get("effectivePolicy") or {}).get("maxConcurrent")
    return int(limit) if limit else None


def _age(run: Mapping[str, Any]) -> tuple[str, str]:
    return (run["metadata"].get("creationTimestamp") or "", run["metadata"]["uid"])
