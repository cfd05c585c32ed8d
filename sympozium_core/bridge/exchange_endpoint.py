"""The way out for the sidecar that speaks MCP: HTTP at ``/<server><path>``, in its own volume or on a port with a token.

What `exchange_gate` lets through goes over the bus to a gateway, which knows where the server is, adds headers and credentials, and streams the
answer back. `exchange.json` in the sidecar's volume says where: ``{"address", "token"}``, or ``{"socket"}``, a file beside it.
An exchange that the bridge or the gateway ends carries the header ``x-sympozium-error`` and says why in its body; 403 is the gate's word, 502 and 503
are the gateway's.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from contextlib import aclosing
from pathlib import Path

from sympozium_core.bridge.assignment import Assignment
from sympozium_core.bridge.exchange_gate import MAX_BODY, ExchangeGate
from sympozium_core.bridge.http_server import HttpRequest, HttpResponse, HttpServer
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.mcp import McpServer
from sympozium_core.errors import SympoziumError, Temporary
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root

LATE = 5.0
"""Seconds beyond the time of a call in which the gateway may still say what became of it."""
ERROR = "x-sympozium-error"


class ExchangeEndpoint:
    def __init__(self, bus: Bus, given: Assignment, gate: ExchangeGate) -> None:
        self._bus, self._given, self._gate = bus, given, gate
        self._token = ""
        self._server = HttpServer(self._answer, max_body=MAX_BODY)

    async def listen(self, where: str, volume: Root) -> None:
        """`where` as for the model (`names.ENV_MODEL_LISTEN`), but for the port: the system chooses one."""
        if where == "unix":
            volume.remove(layout.EXCHANGE_SOCKET)
            await self._server.listen_unix(Path(f"/proc/self/fd/{volume.descriptor}/{layout.EXCHANGE_SOCKET}"))
            volume.write_json(layout.EXCHANGE, {"socket": layout.EXCHANGE_SOCKET})
            return
        self._token = secrets.token_urlsafe(24)
        host = where.rpartition(":")[0]
        port = await self._server.listen_tcp(host, 0)
        volume.write_json(layout.EXCHANGE, {"address": f"{host}:{port}", "token": self._token})

    async def close(self) -> None:
        await self._server.close()

    async def _answer(self, request: HttpRequest, response: HttpResponse) -> None:
        if not self._allowed(request.headers.get("authorization", "")):
            await _fail(response, 401, f"the bearer token is missing or not that of {layout.EXCHANGE}")
            return
        name, _, path = request.path.removeprefix("/").partition("/")
        server = self._gate.servers.get(name)
        if server is None:
            await _fail(response, 404, "the run has no such server")
        elif because := self._gate.refusal(server, request.method, f"/{path}", request.body):
            await _fail(response, 403, because)
        else:
            await self._exchange(server, f"/{path}", request, response)

    def _allowed(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        named = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())
        return not self._token or named

    async def _exchange(self, server: McpServer, path: str, request: HttpRequest, response: HttpResponse) -> None:
        head = {
            "attempt": self._given.attempt,
            "server": server.name,
            "method": request.method,
            "path": path + (f"?{request.query}" if request.query else ""),
            "headers": dict(request.headers),
        }
        data = json.dumps(head).encode() + b"\n" + request.body
        subject = subjects.request(self._given.plan.uid, subjects.EXCHANGE)
        until = self._given.deadline
        if request.method != "GET":
            until = min(until, time.time() + server.timeout + LATE)
        try:
            async with aclosing(call(self._bus, subject, data, deadline=until)) as items:
                async for item in items:
                    if response.started:
                        await response.write(item)
                    else:
                        told = json.loads(item)
                        response.begin_with(told["status"], {**told["headers"], "transfer-encoding": "chunked"})
                        await response.write(b"")
            await response.finish()
        except SympoziumError as error:
            if response.started:
                raise OSError(str(error)) from error  # half of an answer: the connection breaks off
            await _fail(response, 503 if isinstance(error, Temporary) else 502, str(error))


async def _fail(response: HttpResponse, status: int, message: str) -> None:
    headers = {"content-type": "text/plain; charset=utf-8", ERROR: "1"}
    await response.send(status, headers, message.encode("utf-8", "replace"))
