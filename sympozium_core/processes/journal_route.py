"""``GET …/agentruns/<name>/journal``: what happened in a run, one JSON object a line, to its end when followed."""

from __future__ import annotations

import json
from contextlib import aclosing

from aiohttp import web

from sympozium_core import names
from sympozium_core.contracts.cluster import BadRequest
from sympozium_core.processes.journal_reading import JournalReader

PATH = f"/apis/{names.API_VERSION}/namespaces/{{namespace}}/agentruns/{{name}}/journal"


def journal_route(journals: JournalReader) -> web.RouteDef:
    async def handle(request: web.Request) -> web.StreamResponse:
        after, follow = _number(request.query.get("after") or "0"), request.query.get("follow") == "true"
        found = await journals.open(request.match_info["namespace"], request.match_info["name"], follow=follow, after=after)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        async with aclosing(found) as entries:
            async for entry in entries:
                await response.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        await response.write_eof()
        return response

    return web.get(PATH, handle)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"after={text[:40]!r} is not a sequence", hint="use one that the journal gave")
    return int(text)
