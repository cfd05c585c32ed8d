"""``GET …/agentruns/<name>/journal``: what happened in a run, one JSON object a line, to its end when followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from aiohttp import web

from sympozium_core import names
from sympozium_core.bus.journal import EntryType, JournalEntry, read_entries
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import BadRequest, Cluster, NotFound

PATH = f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/agentruns/{{name}}/journal"

QUIET_SECONDS = 10.0
"""Without an entry for so long, a follower's run is looked for."""

OpenBus = Callable[[], Awaitable[Bus]]


def journal_route(cluster: Cluster, open_bus: OpenBus) -> web.RouteDef:
    """`cluster` reads the run; `open_bus` gives the bus, opening it if nothing else has."""

    async def handle(request: web.Request) -> web.StreamResponse:
        from sympozium_core.resources.kinds import AGENT_RUN

        after, follow = _number(request.query.get("after") or "0"), request.query.get("follow") == "true"
        run = await cluster.get(AGENT_RUN, request.match_info["namespace"], request.match_info["name"])
        bus = await open_bus()
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        uid = run["metadata"]["uid"]
        async with aclosing(read_entries(bus, uid, after=after, follow=follow)) as entries:
            async for entry in _while_it_is_there(entries, partial(_exists, cluster, run)) if follow else entries:
                await response.write(_line(entry))
                if follow and entry.entry["type"] == EntryType.ENDED:
                    break
        await response.write_eof()
        return response

    return web.get(PATH, handle)


async def _exists(cluster: Cluster, run: Mapping[str, Any]) -> bool:
    from sympozium_core.resources.kinds import AGENT_RUN

    metadata = run["metadata"]
    try:
        found = await cluster.get(AGENT_RUN, metadata["namespace"], metadata["name"])
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


def _line(entry: JournalEntry) -> bytes:
    return (
        json.dumps({"sequence": entry.sequence, "source": entry.source, "entry": entry.entry}, ensure_ascii=False).encode()
        + b"\n"
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"after={text[:40]!r} is not a sequence", hint="use one that the journal gave")
    return int(text)
