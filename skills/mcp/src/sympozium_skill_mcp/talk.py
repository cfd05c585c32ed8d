"""A session with one MCP server by the official SDK, over whatever carries its HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, PaginatedRequestParams, Tool

from sympozium_core.contracts.mcp import MAX_PAGES, MAX_TOOLS, Annotations, McpServer
from sympozium_skill_mcp.http import SECONDS, client

US = Implementation(name="sympozium", version="0.1.0")


@asynccontextmanager
async def session(server: McpServer, transport: httpx2.AsyncBaseTransport) -> AsyncIterator[Client]:
    """An open session, in whichever version of MCP both know. Raises what the SDK does, and TimeoutError where it takes longer than a call may:
    `words` says it to people."""
    # The SDK waits for ever where a stream fails before it has named an address for messages.
    async with asyncio.timeout(server.timeout) as limit, client(transport) as http:
        if server.transport == "sse":
            # The SDK closes the client that its factory gives, and so does this.
            def fresh(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
                return client(transport)

            talk = sse_client(server.url, sse_read_timeout=SECONDS, httpx_client_factory=fresh)
        else:
            talk = streamable_http_client(server.url, http_client=http)
        mode = "legacy" if server.transport == "sse" else "auto"
        async with Client(talk, read_timeout_seconds=server.timeout, client_info=US, mode=mode, cache=None) as found:
            limit.reschedule(None)
            yield found


async def all_tools(found: Client) -> list[Tool]:
    """Of every page, as far as there is room."""
    if found.server_capabilities.tools is None:
        return []
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await found.session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        tools += page.tools
        cursor = page.next_cursor
        if not cursor or len(tools) >= MAX_TOOLS:
            break
    return tools[:MAX_TOOLS]


def annotations_of(tool: Tool) -> Annotations:
    said, usual = tool.annotations, Annotations()
    if said is None:
        return usual

    def told(hint: bool | None, otherwise: bool) -> bool:
        return otherwise if hint is None else hint

    return Annotations(
        told(said.read_only_hint, usual.read_only),
        told(said.destructive_hint, usual.destructive),
        told(said.idempotent_hint, usual.idempotent),
        told(said.open_world_hint, usual.open_world),
    )


def words(error: BaseException) -> str:
    """Why a session or a call came to nothing. Of several errors at once the first that says something."""
    found = [_one(each) for each in _leaves(error)]
    return next((each for each in found if each), type(error).__name__)[:500]


def _one(error: BaseException) -> str:
    if isinstance(error, MCPError):
        return error.message
    if isinstance(error, httpx2.HTTPStatusError):
        return f"the server answers with HTTP status {error.response.status_code}"
    if isinstance(error, TimeoutError):
        return "it took too long"
    return str(error)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def software(found: Client) -> str:
    info: Any = found.server_info
    return f"{info.name} {info.version}".strip() if info is not None else ""
