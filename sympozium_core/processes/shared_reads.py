"""One read for all who wait for the same object: a burst of runs of one agent asks for that agent again and again.

Nobody gets an answer that was read before they asked: who comes while a read is under way shares the next one. So what was written before a
question is always seen by it, as without this. The next one waits for as long as the one before took, at most: where an API server is slow for
all that it has to do, more share a read.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from sympozium_core.contracts.cluster import ListPage, Object, ResourceType

LONGEST_REST = 0.2
"""Seconds."""

Key = tuple[ResourceType, str | None, str]
"""Of an object, or of all of a namespace when the name is empty."""


class Reader(Protocol):
    """The part of `contracts.cluster.Cluster` that only looks."""

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object: ...

    async def list(self, kind: ResourceType, namespace: str | None = None) -> ListPage: ...


class SharedReads:
    """Implements `Reader`. What comes back belongs to all who asked: it is not to be changed."""

    def __init__(self, cluster: Reader) -> None:
        self._cluster = cluster
        self._under_way: dict[Key, asyncio.Task[Any]] = {}
        self._next: dict[Key, asyncio.Task[Any]] = {}

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object:
        found: Object = await self._shared((kind, namespace, name))
        return found

    async def list(self, kind: ResourceType, namespace: str | None = None) -> ListPage:
        found: ListPage = await self._shared((kind, namespace, ""))
        return found

    async def _shared(self, key: Key) -> Any:
        if key not in self._next:
            task = self._next[key] = asyncio.create_task(self._read(key))
            task.add_done_callback(_looked_at)
        return await asyncio.shield(self._next[key])  # whoever gives up leaves the others their answer

    async def _read(self, key: Key) -> Any:
        if key in self._under_way:
            begun = time.monotonic()
            await asyncio.wait([self._under_way[key]])
            await asyncio.sleep(min(time.monotonic() - begun, LONGEST_REST))
        task = self._under_way[key] = self._next.pop(key)
        try:
            kind, namespace, name = key
            return await (self._cluster.get(kind, namespace, name) if name else self._cluster.list(kind, namespace))
        finally:
            if self._under_way.get(key) is task:
                del self._under_way[key]


def _looked_at(task: asyncio.Task[Object]) -> None:
    """An error that nobody waits for any more is nobody's."""
    if not task.cancelled():
        task.exception()
