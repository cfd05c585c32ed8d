"""The SDK's HTTP, carried out by somebody else: by the bridge of a run's pod, or by the gateway in whose process this is.

What fails becomes an answer in JSON-RPC's own words, which is what the SDK hands on: a status alone would tell nobody why.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import httpx2

from sympozium_core.contracts.mcp import Exchange, ExchangeAnswer
from sympozium_core.errors import SympoziumError

ERROR = "x-sympozium-error"
"""Of an answer that is the bridge's own."""
SESSION = "mcp-session-id"
INTERNAL_ERROR = -32603
SECONDS = 3600.0
"""For anything: whoever calls has a time limit of its own."""
MAX_WORDS = 500


class BridgeTransport(httpx2.AsyncBaseTransport):
    """To one server by way of the bridge: `place` is the content of its ``exchange.json``, `volume` the folder that is in."""

    def __init__(self, server: str, place: Mapping[str, Any], volume: str) -> None:
        self._server, self._token = server, str(place.get("token") or "")
        socket = f"{volume}/{place['socket']}" if place.get("socket") else None
        self._inner = httpx2.AsyncHTTPTransport(uds=socket, retries=0)
        self._address = httpx2.URL(f"http://{place.get('address') or 'bridge'}")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = [(name, value) for name, value in request.headers.multi_items() if name != "host"]
        headers.append(("host", "bridge"))
        if self._token:
            headers.append(("authorization", f"Bearer {self._token}"))
        url = self._address.copy_with(raw_path=f"/{self._server}".encode() + request.url.raw_path)
        asked = httpx2.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        return await _told(request, await self._inner.handle_async_request(asked))

    async def aclose(self) -> None:
        await self._inner.aclose()


class ExchangeTransport(httpx2.AsyncBaseTransport):
    """By `exchange`, in this process."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        stack = AsyncExitStack()
        try:
            path = request.url.raw_path.decode("ascii")
            answer = await stack.enter_async_context(self._exchange(request.method, path, dict(request.headers), body))
        except SympoziumError as error:
            return failure(502, str(error))
        except BaseException:
            await stack.aclose()
            raise
        response = httpx2.Response(answer.status, headers=dict(answer.headers), stream=_Pieces(answer, stack))
        return await _told(request, response)


class _Pieces(httpx2.AsyncByteStream):
    def __init__(self, answer: ExchangeAnswer, stack: AsyncExitStack) -> None:
        self._answer, self._stack = answer, stack

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._answer.pieces():
                yield piece
        except SympoziumError as error:
            raise httpx2.ReadError(str(error)) from error

    async def aclose(self) -> None:
        await self._stack.aclose()


def client(transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport, timeout=httpx2.Timeout(SECONDS), trust_env=False)


def failure(status: int, words: str) -> httpx2.Response:
    """An answer that says why there is none."""
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": INTERNAL_ERROR, "message": words[:MAX_WORDS]}}
    return httpx2.Response(status, headers={"content-type": "application/json"}, content=json.dumps(error).encode())


async def _told(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """What is no success in words, but for a 404 within a session, by which a server says that it has forgotten it, and for what says so itself."""
    own = ERROR in response.headers
    forgotten = response.status_code == 404 and SESSION in request.headers
    if not own and (response.status_code < 400 or forgotten or _is_json(response)):
        return response
    try:
        words = (await response.aread()).decode("utf-8", "replace") if own else _status_words(response.status_code)
    finally:
        await response.aclose()
    return failure(response.status_code, words)


def _is_json(response: httpx2.Response) -> bool:
    return str(response.headers.get("content-type", "")).lower().startswith("application/json")


def _status_words(status: int) -> str:
    hint = {401: "it wants credentials: see headers of the MCPServer", 403: "what it was sent is not allowed there"}
    return f"the server answers with HTTP status {status}" + (f"; {hint[status]}" if status in hint else "")
