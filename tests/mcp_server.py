"""A real MCP server of the official SDK on a port of this machine, for tests: streamable HTTP or SSE, with a log of who asked and how."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from starlette.types import ASGIApp, Receive, Scope, Send

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000a49444154789c6300010000050001")


@dataclass
class SdkServer:
    url: str
    token: str = ""
    """What the header Authorization has to say; empty: nothing."""
    seen: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request, with ``:method``."""
    added: list[int] = field(default_factory=list)
    """What calls of `add` gave."""
    sleeping: asyncio.Event = field(default_factory=asyncio.Event)
    server: Any = None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serves = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serves.set()


def make(log: SdkServer) -> MCPServer:
    mcp = MCPServer("calculator", version="7.1")

    @mcp.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        log.added.append(a + b)
        return a + b

    @mcp.tool()
    def fail(why: str) -> str:
        """Fails."""
        raise ToolError(why)

    @mcp.tool()
    async def sleep(context: Context) -> str:
        """Takes long."""
        log.sleeping.set()
        await asyncio.sleep(3600)
        return "slept"

    @mcp.tool()
    def picture() -> Image:
        """A picture."""
        return Image(data=PNG, format="png")

    @mcp.tool(name="wipe.everything")
    def wipe() -> str:
        """Deletes all there is."""
        return "wiped"

    return mcp


@asynccontextmanager
async def sdk_server(transport: str = "http", token: str = "") -> AsyncIterator[SdkServer]:
    """Serves until left."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    log = SdkServer(f"http://127.0.0.1:{port}/{'sse' if transport == 'sse' else 'mcp'}", token)
    mcp = make(log)
    app = mcp.sse_app() if transport == "sse" else mcp.streamable_http_app()
    config = uvicorn.Config(_guarded(app, log), log_level="warning", lifespan="on", timeout_graceful_shutdown=1)
    server = log.server = _Server(config)
    task = asyncio.create_task(server._serve([listener]))  # `serve` would take the signals of the tests' own process
    try:
        await server.serves.wait()
        yield log
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()


def _guarded(app: ASGIApp, log: SdkServer) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            log.seen.append({**headers, ":method": scope["method"]})
            if log.token and headers.get("authorization") != log.token:
                await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]})
                await send({"type": "http.response.body", "body": b"who are you?"})
                return
        await app(scope, receive, send)

    return guarded
