"""A run's story as its status and its Events tell it, from any cluster: what there is where no journal is served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.cli.get import list_all
from sympozium_core.clock import parse_rfc3339
from sympozium_core.cluster.reflector import Reflector
from sympozium_core.contracts.builtin_kinds import EVENT
from sympozium_core.contracts.cluster import Forbidden, Gone, NotFound, Unavailable
from sympozium_core.names import Phase
from sympozium_core.resources.kinds import AGENT_RUN

if TYPE_CHECKING:
    from sympozium_core.cli.live import Live
    from sympozium_core.contracts.cluster import Cluster

PATIENCE = 8
"""How often in a row a server may be away while a run is watched; with the waits between, half a minute."""


async def until_ended(cluster: Cluster, namespace: str, name: str) -> Mapping[str, Any]:
    """The run at its end. Raises NotFound when it is deleted before."""
    async with aclosing(states(cluster, namespace, name)) as found:
        async for run in found:
            if _ended(run):
                return run
    raise AssertionError("unreachable")


async def states(cluster: Cluster, namespace: str, name: str) -> AsyncGenerator[Mapping[str, Any], None]:
    """The run as it is now and each time it changes. Raises NotFound when it is deleted, Unavailable when nobody answers any more."""
    away = Attempts(BackOff(first=0.2, longest=8.0))
    while True:
        try:
            current = await cluster.get(AGENT_RUN, namespace, name)
            yield current
            version = current["metadata"]["resourceVersion"]
            watch = cluster.watch(AGENT_RUN, namespace, resource_version=version, fields=f"metadata.name={name}")
            async with aclosing(watch) as events:
                async for event in events:
                    away.succeeded()
                    if event.type == "DELETED":
                        raise NotFound(f"agentrun {name} was deleted while it ran")
                    if event.type != "BOOKMARK":
                        yield event.object
        except Gone:
            continue
        except Unavailable:
            if away.failures >= PATIENCE:
                raise
            await asyncio.sleep(away.failed())


async def tell(cluster: Cluster, created: Mapping[str, Any], live: Live) -> None:
    """Prints phases and Events as they come, until the run has ended."""
    metadata = created["metadata"]
    namespace = metadata["namespace"]
    events = Events(cluster, namespace, metadata["uid"], live)
    following = asyncio.create_task(events.follow())
    try:
        shown = ""
        async with aclosing(states(cluster, namespace, metadata["name"])) as found:
            async for run in found:
                text = _phase(run)
                if text != shown:
                    live.phase(text, time.time())
                    shown = text
                if _ended(run):
                    break
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    await events.rest()


class Events:
    """Prints each Event of one object once."""

    def __init__(self, cluster: Cluster, namespace: str, uid: str, live: Live) -> None:
        self._cluster, self._namespace, self._live = cluster, namespace, live
        self._fields = f"involvedObject.uid={uid}"
        self._shown: set[tuple[str, int]] = set()

    async def follow(self) -> None:
        """Without end. Who may not read Events does without."""
        try:
            await self._cluster.list(EVENT, self._namespace, fields=self._fields, limit=1)
        except Forbidden as error:
            self._live.note(f"without Events: {error}", time.time())
            return
        reflector = Reflector(self._cluster, EVENT, self._namespace, fields=self._fields)
        async with aclosing(reflector.changes()) as changes:
            async for change in changes:
                if change.type in ("ADDED", "MODIFIED"):
                    self._show(change.object)

    async def rest(self) -> None:
        """Those that came with the end."""
        try:
            for event in await list_all(self._cluster, EVENT, self._namespace, fields=self._fields):
                self._show(event)
        except Forbidden:
            return

    def _show(self, event: Mapping[str, Any]) -> None:
        key = str(event["metadata"]["name"]), int(event.get("count") or 1)
        if key in self._shown:
            return
        self._shown.add(key)
        warning = "warning: " if event.get("type") == "Warning" else ""
        self._live.note(f"{warning}{event.get('reason')}: {event.get('message')}", _moment(event))


def _ended(run: Mapping[str, Any]) -> bool:
    phase = (run.get("status") or {}).get("phase")
    return phase in tuple(Phase) and Phase(phase).terminal


def _phase(run: Mapping[str, Any]) -> str:
    status = run.get("status") or {}
    phase = status.get("phase")
    if not phase:
        return "waits for a controller"
    if phase == Phase.QUEUED and status.get("queuePosition"):
        return f"{phase}, position {status['queuePosition']}"
    if phase == Phase.PENDING and status.get("pod"):
        return f"{phase}, pod {status['pod']} is on its way up"
    if phase == Phase.RUNNING and status.get("pod"):
        return f"{phase} in pod {status['pod']}"
    return str(phase)


def _moment(event: Mapping[str, Any]) -> float:
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    try:
        return parse_rfc3339(str(text))
    except ValueError:
        return time.time()
