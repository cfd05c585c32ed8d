"""SympoziumInstance: its status says how many of its runs are under way and how many there have been."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.controllers.agentrun.context import INDEX_INSTANCE
from sympozium_core.controllers.agentrun.status import phase_of
from sympozium_core.names import LABEL_INSTANCE, Phase
from sympozium_core.planning.factory import label_value
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.patching import patch_status
from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE


def controller(cluster: Cluster, instances: Informer, runs: Informer) -> Controller:
    """`runs` has the indexes of `agentrun.context`."""

    async def reconcile(key: Key) -> Result:
        found = instances.cache.get(key)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return DONE
        own = runs.cache.by_index(INDEX_INSTANCE, f"{key.namespace}/{label_value(key.name)}")
        await _write(cluster, found, _status(found, own))
        return DONE

    def keys(run: View) -> Iterable[Key]:
        # A label value stands for the name; for one that was too long for a label, every instance with that value is looked at.
        value = (run["metadata"].get("labels") or {}).get(LABEL_INSTANCE)
        for key in instances.cache.known_keys():
            if key.namespace == run["metadata"]["namespace"] and label_value(key.name) == value:
                yield key

    return Controller("instances", instances, reconcile, sources=[Source(runs, keys)], options=Options(workers=1))


def _status(instance: View, runs: list[View]) -> dict[str, Any]:
    """Runs that were pruned stay counted: the total never falls."""
    active = sum(phase_of(run) is Phase.RUNNING for run in runs)
    seen = sum(phase_of(run) is not None for run in runs)
    before: Mapping[str, Any] = instance.get("status") or {}
    newest = max((str(run["metadata"].get("creationTimestamp")) for run in runs), default=None)
    return {
        "phase": "Running" if active else "Ready",
        "activeAgentPods": active,
        "totalAgentRuns": max(seen, int(before.get("totalAgentRuns") or 0)),
        "lastRunTime": newest or before.get("lastRunTime"),
    }


async def _write(cluster: Cluster, instance: View, status: Mapping[str, Any]) -> None:
    with contextlib.suppress(NotFound):
        whole = {**(instance.get("status") or {}), **status}
        await patch_status(cluster, SYMPOZIUM_INSTANCE, instance, whole, unconditional=True)
