"""``GET …/agentruns/<name>/journal``: what happened in a run, one JSON object a line, to its end when followed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from aiohttp import web

from sympozium_core import names
from sympozium_core.bus.journal import EntryType, JournalEntry, read_entries
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import BadRequest, Cluster

PATH = f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/agentruns/{{name}}/journal"

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
        async with aclosing(read_entries(bus, run["metadata"]["uid"], after=after, follow=follow)) as entries:
            async for entry in entries:
                await response.write(_line(entry))
                if follow and entry.entry["type"] == EntryType.ENDED:
                    break
        await response.write_eof()
        return response

    return web.get(PATH, handle)


def _line(entry: JournalEntry) -> bytes:
    return (
        json.dumps({"sequence": entry.sequence, "source": entry.source, "entry": entry.entry}, ensure_ascii=False).encode()
        + b"\n"
    )


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"after={text[:40]!r} is not a sequence", hint="use one that the journal gave")
    return int(text)
