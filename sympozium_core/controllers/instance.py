"""SympoziumInstance: its status says how many of its runs are under way, how many there have been, and whether its memory has a place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.controllers.agentrun.context import INDEX_INSTANCE
from sympozium_core.controllers.agentrun.status import phase_of
from sympozium_core.controllers.memory_claims import MemoryClaims, Ready
from sympozium_core.names import LABEL_INSTANCE, Phase
from sympozium_core.planning.factory import label_value
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.conditions import get_condition, with_condition, without_condition
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.owner import owner_keys
from sympozium_core.reconcile.patching import patch_status
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE

MEMORY_READY = "MemoryReady"
LOOK_AGAIN = 60.0
"""Seconds after which memory that has no place is tried again: a StorageClass is nothing that this controller watches."""


def controller(
    cluster: Cluster,
    instances: Informer,
    runs: Informer,
    *,
    events: EventRecorder,
    clock: Clock,
    memory: MemoryClaims | None = None,
) -> Controller:
    """`runs` has the indexes of `agentrun.context`; `memory` is None where no volume outlives a run."""

    async def reconcile(key: Key) -> Result:
        found = instances.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return DONE
        own = runs.cache.by_index(INDEX_INSTANCE, f"{key.namespace}/{label_value(key.name)}")
        place = await memory.ensure(found) if memory is not None else None
        if place is not None and _is_news(found, place):
            events.record(
                SYMPOZIUM_INSTANCE, found, "Normal" if place.ready else "Warning", f"Memory{place.reason}", place.message
            )
        status = _with_memory({**(found.get("status") or {}), **_status(found, own)}, found, place, clock)
        with contextlib.suppress(NotFound):
            await patch_status(cluster, SYMPOZIUM_INSTANCE, found, status, unconditional=True)
        return DONE if place is None or place.ready else Result(requeue_after=LOOK_AGAIN)

    def keys(run: View) -> Iterable[Key]:
        # A label value stands for the name; for one that was too long for a label, every instance with that value is looked at.
        value = (run["metadata"].get("labels") or {}).get(LABEL_INSTANCE)
        for key in instances.cache.known_keys():
            if key.namespace == run["metadata"]["namespace"] and label_value(key.name) == value:
                yield key

    sources = [Source(runs, keys)]
    if memory is not None:
        sources.append(Source(memory.informer, owner_keys(SYMPOZIUM_INSTANCE)))
        instances.on_change(lambda old, new: memory.forget(old) if new is None and old is not None else None)
    return Controller("instances", instances, reconcile, sources=sources, options=Options(workers=1))


def _status(instance: View, runs: list[View]) -> dict[str, Any]:
    """Runs that were pruned stay counted: the total never falls. One that nobody has looked at yet is not counted, nor is it the last."""
    seen = [run for run in runs if phase_of(run) is not None]
    active = sum(phase_of(run) is Phase.RUNNING for run in seen)
    before: Mapping[str, Any] = instance.get("status") or {}
    newest = max((str(run["metadata"].get("creationTimestamp")) for run in seen), default=None)
    return {
        "phase": "Running" if active else "Ready",
        "activeAgentPods": active,
        "totalAgentRuns": max(len(seen), int(before.get("totalAgentRuns") or 0)),
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
