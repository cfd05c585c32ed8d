"""Handlers for collections: a list in one answer, or a watch as one JSON object a line."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from sympozium_core.cluster.status import status_of
from sympozium_core.contracts.cluster import ApiError, Invalid
from sympozium_core.embedded.entries import dump
from sympozium_core.embedded.rest_request import JSON, KIND, STORE, WATCHES, flag, number, query_of
from sympozium_core.embedded.watches import Query, RawEvent

CHUNK = 256
"""Objects of a list that are put together before others get their turn on the event loop."""


async def list_or_watch(request: web.Request) -> web.StreamResponse:
    if flag(request, "watch"):
        return await _watch(request, query_of(request))
    return await _list(request, query_of(request))


async def end_watches(app: web.Application) -> None:
    """On shutdown: a watch would keep the server waiting."""
    watches = app[WATCHES]
    for task in list(watches):
        task.cancel()


async def _list(request: web.Request, query: Query) -> web.Response:
    store = request.app[STORE]
    page = store.page(query, limit=number(request, "limit"), token=request.query.get("continue", ""))
    meta: dict[str, object] = {"resourceVersion": str(page.revision)}
    if page.token:
        meta["continue"] = page.token
        if query.selector.empty:
            meta["remainingItemCount"] = page.remaining
    head = dump({"kind": f"{query.kind.kind}List", "apiVersion": query.kind.api_version, "metadata": meta})
    parts: list[bytes] = []
    for index, entry in enumerate(page.entries, start=1):
        parts.append(store.mutations.clear(query.kind, entry.data))
        if index % CHUNK == 0:
            await asyncio.sleep(0)
    return web.Response(body=head[:-1] + b',"items":[' + b",".join(parts) + b"]}", content_type=JSON)


async def _watch(request: web.Request, query: Query) -> web.StreamResponse:
    if "sendInitialEvents" in request.query:
        raise Invalid("sendInitialEvents is forbidden: this server lists first and then watches", hint="list, then watch")
    version = request.query.get("resourceVersion", "")
    timeout = number(request, "timeoutSeconds")
    response = web.StreamResponse(headers={"Content-Type": JSON})
    response.enable_chunked_encoding()
    task = asyncio.current_task()
    assert task is not None
    request.app[WATCHES].add(task)
    try:
        await response.prepare(request)
        await _send_events(request, response, query, version, timeout)
        await response.write_eof()
    except ConnectionError:
        pass  # the client went away
    finally:
        request.app[WATCHES].discard(task)
    return response


async def _send_events(request: web.Request, response: web.StreamResponse, query: Query, version: str, timeout: int) -> None:
    """Errors after the head of the answer are events too, as an API server sends them."""
    store = request.app[STORE]
    bookmarks = flag(request, "allowWatchBookmarks")
    try:
        async with contextlib.aclosing(store.follow(query, version, timeout=timeout)) as events:
            async for event in events:
                if event.type == "BOOKMARK":
                    if not bookmarks:
                        continue
                    data = event.data
                else:
                    data = store.mutations.clear(query.kind, event.data)
                await response.write(_line(RawEvent(event.type, data)))
    except ApiError as error:
        body = status_of(error, kind=request[KIND])
        await response.write(dump({"type": "ERROR", "object": body}) + b"\n")


def _line(event: RawEvent) -> bytes:
    return b'{"type":"' + event.type.encode() + b'","object":' + event.data + b"}\n"
