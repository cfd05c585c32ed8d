"""The order in which runs start where not all may at once: by creation, over all instances and within the limit of each.

Counting is done on the cache and never waits, so that nothing changes between a count and the claim that follows it; what is being claimed counts already.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sympozium_core.controllers.agentrun.context import INDEX_STAGE, INDEX_STAGE_OF_INSTANCE, RunContext, instance_key
from sympozium_core.controllers.agentrun.status import Stage, phase_of, stage_of, status_of
from sympozium_core.names import Phase
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.key import Key, key_of

POSITIONS_AFTER = 1.0
"""Seconds after which those who go on waiting tell their new place: each telling is a write, and with each run that ends all of them move up."""

Run = Mapping[str, Any]


def position(context: RunContext, run: Run) -> int:
    """0: may start now; else how many runs start before this one, itself counted."""
    limit, mine = _limit(run), instance_key(run)
    if _room_for_all(context, limit, mine):
        return 0
    running, waiting = _counted(context)
    ahead = [other for other in waiting if _age(other) < _age(run) and not other["metadata"].get("deletionTimestamp")]
    under_way = Counter(map(instance_key, running))
    if limit is not None:
        own_free = limit - under_way[mine]
        own_ahead = sum(instance_key(other) == mine for other in ahead)
        if own_free <= own_ahead:
            return own_ahead - max(own_free, 0) + 1
    free = context.settings.max_concurrent_runs - len(running)
    before = sum(1 for _ in _takers(ahead, under_way))
    return 0 if free > before else before - max(free, 0) + 1


class Line:
    """Has those who wait looked at when others come to an end: who may start at once, the rest a little later."""

    def __init__(self, context: RunContext, enqueue: Callable[[Key], None]) -> None:
        self._context, self._enqueue = context, enqueue
        self._later: asyncio.TimerHandle | None = None

    def changed(self, old: View | None, new: View | None) -> None:
        """Told of each change of a run. One that ends frees a place, and one that leaves the line moves it up."""
        if old is None or (new is not None and stage_of(new) is Stage.PLACED):
            return
        left = phase_of(old) is Phase.QUEUED and (new is None or phase_of(new) is not Phase.QUEUED)
        if (left or stage_of(old) is Stage.PLACED) and self._queued():
            for run in self._next():
                self._enqueue(key_of(run))
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(POSITIONS_AFTER, self._all)

    def _all(self) -> None:
        self._later = None
        for run in self._queued():
            self._enqueue(key_of(run))

    def _queued(self) -> list[View]:
        return [run for run in self._context.runs.cache.by_index(INDEX_STAGE, Stage.WAITING) if phase_of(run) is Phase.QUEUED]

    def _next(self) -> Iterator[Run]:
        running, waiting = _counted(self._context)
        free = self._context.settings.max_concurrent_runs - len(running)
        takers = _takers(sorted(waiting, key=_age), Counter(map(instance_key, running)))
        return (run for _, run in zip(range(free), takers, strict=False))


def _room_for_all(context: RunContext, limit: int | None, mine: str) -> bool:
    """Whether there is a place for everybody who waits, so that no order need be looked at."""
    by_index, claiming = context.runs.cache.by_index, len(context.claiming)
    free = context.settings.max_concurrent_runs - len(by_index(INDEX_STAGE, Stage.PLACED)) - claiming
    if free < len(by_index(INDEX_STAGE, Stage.WAITING)):
        return False
    if limit is None:
        return True
    own_free = limit - len(by_index(INDEX_STAGE_OF_INSTANCE, f"{Stage.PLACED} {mine}")) - claiming
    return own_free >= len(by_index(INDEX_STAGE_OF_INSTANCE, f"{Stage.WAITING} {mine}"))


def _counted(context: RunContext) -> tuple[list[Run], list[Run]]:
    """Those that have a place and those that wait for one, of the runs that this process looks after: what is left to another one takes no
    place here."""
    of_stage = {
        stage: [run for run in context.runs.cache.by_index(INDEX_STAGE, stage) if context.is_ours(run)]
        for stage in (Stage.PLACED, Stage.WAITING)
    }
    claimed = [run for run in of_stage[Stage.WAITING] if run["metadata"]["uid"] in context.claiming]
    waiting = [run for run in of_stage[Stage.WAITING] if run["metadata"]["uid"] not in context.claiming]
    return [*of_stage[Stage.PLACED], *claimed], waiting


def _takers(line: Sequence[Run], under_way: Counter[str]) -> Iterator[Run]:
    """Which of these runs can take a place: one whose instance is at its own limit holds up nobody else's."""
    room: dict[str, int] = {}
    for run in line:
        limit, key = _limit(run), instance_key(run)
        if limit is not None:
            left = room.setdefault(key, limit - under_way[key])
            room[key] = left - 1
            if left <= 0:
                continue
        yield run


def _limit(run: Run) -> int | None:
    """The effective policy's `subagentPolicy.maxConcurrent`, stamped with the plan."""
    limit = (status_of(run).get("effectivePolicy") or {}).get("maxConcurrent")
    return int(limit) if limit else None


def _age(run: Run) -> tuple[str, str]:
    return (run["metadata"].get("creationTimestamp") or "", run["metadata"]["uid"])
