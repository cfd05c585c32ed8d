"""SympoziumInstance: its status says how many of its runs are under way, how many there have been, and whether its memory has a place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.controllers.agentrun.context import INDEX_INSTANCE, instance_key, key_of_instance
from sympozium_core.controllers.agentrun.status import Stage, phase_of, stage_of
from sympozium_core.controllers.memory_claims import MemoryClaims, Ready
from sympozium_core.controllers.memory_folders import MemoryFolders
from sympozium_core.controllers.run_totals import RunTotals
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.conditions import get_condition, with_condition, without_condition
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.reconcile.owner import owner_keys
from sympozium_core.reconcile.patching import patch_status
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE

INDEX_KEY = "key of its runs"
MEMORY_READY = "MemoryReady"
SETTLE = 2.0
"""Seconds for which changes of an instance's runs are gathered: each telling is a write."""
LOOK_AGAIN = 60.0
"""Seconds after which memory that has no place is tried again: a StorageClass is nothing that this controller watches."""


def controller(
    cluster: Cluster,
    instances: Informer,
    runs: Informer,
    *,
    events: EventRecorder,
    clock: Clock,
    memory: MemoryClaims | MemoryFolders | None = None,
) -> Controller:
    """`runs` has the indexes of `agentrun.context`; `memory` is None where no volume outlives a run."""

    totals = RunTotals()

    async def reconcile(key: Key) -> Result:
        found = instances.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return DONE
        own = runs.cache.by_index(INDEX_INSTANCE, key_of_instance(found))
        place = await memory.ensure(found) if memory is not None else None
        if place is not None and _is_news(found, place):
            events.record(
                SYMPOZIUM_INSTANCE, found, "Normal" if place.ready else "Warning", f"Memory{place.reason}", place.message
            )
        seen = [run for run in own if phase_of(run) is not None]
        status = _with_memory({**(found.get("status") or {}), **_status(found, seen)}, found, place, clock)
        count = totals.count(found, seen)
        status["totalAgentRuns"] = count.total
        with contextlib.suppress(NotFound):
            await patch_status(cluster, SYMPOZIUM_INSTANCE, found, status, unconditional=True)
            totals.told(found, count)
        return DONE if place is None or place.ready else Result(requeue_after=LOOK_AGAIN)

    instances.cache.add_index(INDEX_KEY, _index)

    def keys(run: View) -> list[Key]:
        return [key_of(instance) for instance in instances.cache.by_index(INDEX_KEY, instance_key(run))]

    def run_changed(old: View | None, new: View | None) -> None:
        if new is None and old is not None and phase_of(old) is not None and keys(old):
            totals.gone(old)

    def instance_changed(old: View | None, new: View | None) -> None:
        if new is None and old is not None:
            totals.forget(old)
            if memory is not None:
                memory.forget(old)

    runs.on_change(run_changed)
    instances.on_change(instance_changed)
    sources = [Source(runs, keys)]
    if memory is not None and memory.informer is not None:
        sources.append(Source(memory.informer, owner_keys(SYMPOZIUM_INSTANCE)))
    return Controller(
        "instances", instances, reconcile, sources=sources, options=Options(workers=1, settle=SETTLE, concerns=_concerns)
    )


def _index(instance: View) -> tuple[str]:
    return (key_of_instance(instance),)


def _concerns(old: View | None, new: View | None) -> bool:
    """Whether a change of an instance is news here: its status is written here."""
    if old is None or new is None:
        return True
    return any(old["metadata"].get(field) != new["metadata"].get(field) for field in ("generation", "deletionTimestamp"))


def _status(instance: View, seen: list[View]) -> dict[str, Any]:
    """A run that nobody has looked at yet does not count, nor is it the last."""
    active = sum(stage_of(run) is Stage.PLACED for run in seen)
    before: Mapping[str, Any] = instance.get("status") or {}
    newest = max((str(run["metadata"].get("creationTimestamp")) for run in seen), default=None)
    return {
        "phase": "Running" if active else "Ready",
        "activeAgentPods": active,
        "lastRunTime": newest or before.get("lastRunTime"),
    }


def _with_memory(status: Mapping[str, Any], instance: View, place: Ready | None, clock: Clock) -> dict[str, Any]:
    if place is None:
        return without_condition(status, MEMORY_READY)
    generation = instance["metadata"].get("generation")
    return with_condition(
        status, MEMORY_READY, place.ready, reason=place.reason, message=place.message, generation=generation, now=clock.now()
    )


def _is_news(instance: View, place: Ready) -> bool:
    before = get_condition(instance.get("status") or {}, MEMORY_READY)
    return before is None or (before.get("reason"), before.get("message")) != (place.reason, place.message)
