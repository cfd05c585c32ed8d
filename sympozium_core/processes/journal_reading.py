"""What happened in a run, entry by entry, as it is told to those who ask: to the end of the run when it is followed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from sympozium_core.bus.journal import EntryType, JournalEntry, read_entries
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.resources.kinds import AGENT_RUN

QUIET_SECONDS = 10.0
"""Without an entry for so long, a follower's run is looked for."""

OpenBus = Callable[[], Awaitable[Bus]]


class JournalReader:
    """`cluster` reads the run; `open_bus` gives the bus, opening it if nothing else has."""

    def __init__(self, cluster: Cluster, open_bus: OpenBus) -> None:
        self._cluster, self._open_bus = cluster, open_bus

    async def open(self, namespace: str, name: str, *, follow: bool, after: int = 0) -> AsyncGenerator[Mapping[str, Any], None]:
        """``{"sequence", "source", "entry"}`` of a run, oldest first, from the one after `after`. Raises NotFound, before there is any."""
        run = await self._cluster.get(AGENT_RUN, namespace, name)
        return self._told(await self._open_bus(), run, follow, after)

    async def read(self, namespace: str, name: str, *, follow: bool, after: int = 0) -> AsyncGenerator[Mapping[str, Any], None]:
        """As `open`, at once."""
        async with aclosing(await self.open(namespace, name, follow=follow, after=after)) as entries:
            async for entry in entries:
                yield entry

    async def _told(
        self, bus: Bus, run: Mapping[str, Any], follow: bool, after: int
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        async with aclosing(read_entries(bus, run["metadata"]["uid"], after=after, follow=follow)) as entries:
            async for entry in _while_it_is_there(entries, partial(self._exists, run)) if follow else entries:
                yield {"sequence": entry.sequence, "source": entry.source, "entry": entry.entry}
                if follow and entry.entry["type"] == EntryType.ENDED:
                    break

    async def _exists(self, run: Mapping[str, Any]) -> bool:
        metadata = run["metadata"]
        try:
            found = await self._cluster.get(AGENT_RUN, metadata["namespace"], metadata["name"])
        except NotFound:
            return False
        return bool(found["metadata"]["uid"] == metadata["uid"])


async def _while_it_is_there(
    entries: AsyncGenerator[JournalEntry, None], exists: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[JournalEntry, None]:
    """A deleted run's journal is purged, its last entry maybe before a slow reader has had it; such a reader must not wait for ever."""
    following: asyncio.Task[JournalEntry] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(entries))
            await asyncio.wait({following}, timeout=QUIET_SECONDS)
            if not following.done():
                if not await exists():
                    return
                continue
            try:
                entry = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield entry
    finally:
        if following is not None:
            following.cancel()
            await asyncio.wait({following})
