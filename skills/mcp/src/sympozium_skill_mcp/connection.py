"""One MCP server during a run: a session that is opened when it is needed, and once more where the server has forgotten it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_REQUEST, CallToolResult, Tool

from sympozium_core.contracts.mcp import McpServer
from sympozium_skill_mcp import talk

FORGOTTEN = "Session terminated"
"""What the SDK says of a server that answers 404 within a session."""


class Connection:
    """For one event loop. A session is entered and left by a task of its own, as the SDK's cancel scopes want it."""

    def __init__(self, server: McpServer, transport: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        self.server = server
        self._transport = transport
        self._holding: asyncio.Task[None] | None = None
        self._client: asyncio.Future[Client] | None = None
        self._leave = asyncio.Event()

    async def tools(self) -> list[Tool]:
        """Raises what the SDK does."""
        return await talk.all_tools(await self._connected())

    async def call(self, tool: str, arguments: Mapping[str, Any], seconds: float) -> CallToolResult:
        """Raises what the SDK does, TimeoutError included."""
        found = await self._connected()
        try:
            return await self._ask(found, tool, arguments, seconds)
        except MCPError as error:
            if not _is_lost(error):
                raise
        # Nothing was run by a server that does not know the session.
        await self._drop(found)
        return await self._ask(await self._connected(), tool, arguments, seconds)

    async def close(self) -> None:
        if self._holding is not None:
            self._leave.set()
            await asyncio.gather(self._holding, return_exceptions=True)
            self._holding = self._client = None

    async def _ask(self, found: Client, tool: str, arguments: Mapping[str, Any], seconds: float) -> CallToolResult:
        async with asyncio.timeout(seconds):
            return await found.call_tool(tool, dict(arguments), read_timeout_seconds=seconds)

    async def _connected(self) -> Client:
        if self._client is None or (self._client.done() and self._client.exception() is not None):
            self._leave = asyncio.Event()
            self._client = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold(self._client, self._leave), name=f"session with {self.server.name}")
        return await asyncio.shield(self._client)

    async def _hold(self, opened: asyncio.Future[Client], leave: asyncio.Event) -> None:
        try:
            async with talk.session(self.server, self._transport()) as found:
                opened.set_result(found)
                await leave.wait()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)

    async def _drop(self, found: Client) -> None:
        """Of several calls that find the session lost, the first ends it."""
        if self._client is not None and self._client.done() and self._client.result() is found:
            await self.close()


def _is_lost(error: MCPError) -> bool:
    """Whether the call has not reached a session."""
    return (error.code == INVALID_REQUEST and error.message == FORGOTTEN) or (
        error.code == CONNECTION_CLOSED and "not sent" in error.message
    )
