"""Watches: every revision goes to everybody who follows its kind, in order, from where each of them was.

A watcher is a position in the log and a short queue of what came after. One that falls behind loses its queue and reads the log from
its position again, so a slow reader costs no memory and misses nothing; it gets Gone only when the log has been compacted past it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sympozium_core.cluster.selectors import EVERYTHING, Selector
from sympozium_core.contracts.cluster import Gone, ResourceType
from sympozium_core.embedded.entries import Entry, Revision, Traits, dump

BACKLOG = 1024
"""Revisions that wait in memory for one watcher."""

ReadLog = Callable[[ResourceType, int, int], Awaitable[tuple[list[Revision], int]]]


class RawEvent(NamedTuple):
    """A watch event whose object is still text, in the stored form."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    data: bytes


@dataclass(frozen=True)
class Query:
    """What one list or watch asks for. `namespace` is None for all."""

    kind: ResourceType
    namespace: str | None = None
    selector: Selector = EVERYTHING

    def selects(self, traits: Traits | None) -> bool:
        return traits is not None and self.selector.matches(traits.labels, traits.fields)


class _Watcher:
    """`position`: everything up to here has been handed over. `until`: up to here the log has it, beyond it the queue."""

    def __init__(self, query: Query, position: int, until: int) -> None:
        self.query = query
        self.position = position
        self.until = until
        self.queue: deque[Revision] = deque()
        self.overflowed = False
        self.wake = asyncio.Event()

    @property
    def drained(self) -> bool:
        return not (self.queue or self.overflowed or self.position < self.until)

    def covers(self, revision: Revision) -> bool:
        return self.query.namespace in (None, revision.entry.key.namespace)

    def offer(self, revision: Revision) -> None:
        if self.overflowed or not self.covers(revision):
            return
        if len(self.queue) >= BACKLOG:
            self.queue.clear()
            self.overflowed = True
        else:
            self.queue.append(revision)
        self.wake.set()


class WatchHub:
    """`revision` is the newest committed number: what lists and bookmarks carry."""

    def __init__(self, read_log: ReadLog, revision: int, bookmark_seconds: float) -> None:
        self.revision = revision
        self._read_log = read_log
        self._bookmark_seconds = bookmark_seconds
        self._watchers: dict[str, set[_Watcher]] = {}
        self._closed = False

    def publish(self, revision: Revision) -> None:
        self.revision = revision.number
        for watcher in self._watchers.get(revision.entry.key.resource, ()):
            watcher.offer(revision)

    def close(self) -> None:
        """Ends every watch."""
        self._closed = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.wake.set()

    async def follow(
        self, query: Query, since: int, *, timeout: float = 0, initial: Sequence[Entry] = ()
    ) -> AsyncGenerator[RawEvent, None]:
        """Events after `since`, for `timeout` seconds (0: without end); `initial` comes first, as ADDED. Raises Gone."""
        if since > self.revision:  # of another life of this store: what the client knows means nothing here
            raise Gone(f"resource version {since} is not of this store, whose newest is {self.revision}")
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout if timeout else float("inf")
        bookmark = loop.time() + self._bookmark_seconds
        watchers = self._watchers.setdefault(query.kind.resource, set())
        watcher = _Watcher(query, since, self.revision)
        watchers.add(watcher)
        try:
            for entry in initial:
                yield RawEvent("ADDED", entry.data)
            while not self._closed:
                watcher.wake.clear()
                for event in await self._batch(watcher):
                    yield event
                now = loop.time()
                if watcher.drained and now >= min(end, bookmark):
                    bookmark = now + self._bookmark_seconds
                    yield _bookmark(query.kind, watcher.position)
                if now >= end:
                    return
                if watcher.drained:
                    await _woken(watcher.wake, min(end, bookmark) - now)
        finally:
            watchers.discard(watcher)

    async def _batch(self, watcher: _Watcher) -> list[RawEvent]:
        """What comes next: a page of the log where the watcher is behind, else its queue."""
        if watcher.overflowed:
            watcher.overflowed, watcher.until = False, self.revision
        if watcher.position < watcher.until:
            revisions, watcher.position = await self._read_log(watcher.query.kind, watcher.position, watcher.until)
            revisions = [revision for revision in revisions if watcher.covers(revision)]
        else:
            revisions = list(watcher.queue)
            watcher.queue.clear()
            watcher.position = self.revision
        return [event for revision in revisions if (event := _event(watcher.query, revision))]


async def _woken(wake: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(None if seconds == float("inf") else max(0.0, seconds)):
            await wake.wait()
    except TimeoutError:
        return


def _event(query: Query, revision: Revision) -> RawEvent | None:
    """What `revision` is to somebody who sees only what the selector lets through."""
    was = query.selects(revision.before)
    now = revision.change != "DELETED" and query.selects(revision.entry.traits)
    if was and now:
        return RawEvent("MODIFIED", revision.entry.data)
    if now:
        return RawEvent("ADDED", revision.entry.data)
    return RawEvent("DELETED", revision.entry.data) if was else None


def _bookmark(kind: ResourceType, revision: int) -> RawEvent:
    body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"resourceVersion": str(revision)}}
    return RawEvent("BOOKMARK", dump(body))
