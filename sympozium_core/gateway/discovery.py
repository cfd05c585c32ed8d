"""`.req.discover`: what an MCP server has, asked by the controller under the server's own UID, where no run speaks.

A request is ``{"namespace", "name", "private"}``: which object, and the ranges of addresses that are open to it. The reply is one item,
``{"tools": [{"name", "description", "annotations"}], "protocol", "software"}``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from sympozium_core.contracts.mcp import MAX_TOOLS, Discovered, ExchangeAnswer, McpClient, McpServer
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.tool_host import ToolHost
from sympozium_core.gateway.tool_http import ToolConnections

MAX_DESCRIPTION = 1024
MAX_NAME = 128

FindServer = Callable[[str, str, str, tuple[str, ...]], Awaitable[tuple[McpServer, ToolHost]]]
"""By UID, namespace and name, with the ranges that are open. Raises Permanent where there is no such server."""
GetClient = Callable[[], Awaitable[McpClient]]
"""Raises Permanent where none is installed."""


class Discovery:
    """One a gateway; `answer` is its handler of calls."""

    def __init__(self, find: FindServer, client: GetClient, connections: ToolConnections) -> None:
        self._find, self._client, self._connections = find, client, connections

    async def answer(self, uid: str, data: bytes, deadline: float) -> AsyncIterator[bytes]:
        try:
            told = json.loads(data)
            namespace, name, private = str(told["namespace"]), str(told["name"]), tuple(map(str, told["private"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Permanent("a discovery is {namespace, name, private}") from error
        server, host = await self._find(uid, namespace, name, private)
        client = await self._client()

        def exchange(method: str, path: str, headers: Any, body: bytes) -> AbstractAsyncContextManager[ExchangeAnswer]:
            return self._connections.exchange(host, method, path, headers, body)

        try:
            async with asyncio.timeout(max(0.0, deadline - time.time())):
                found = await client.discover(server, exchange)
        except TimeoutError:
            raise Temporary(f"MCP server {name} did not say in time what it has", reason="Timeout") from None
        yield json.dumps(_reply(found), ensure_ascii=False).encode("utf-8", "replace")


def _reply(found: Discovered) -> dict[str, Any]:
    """Bounded: what it holds is written into a status."""
    return {
        "tools": [
            {"name": tool.name, "description": tool.description[:MAX_DESCRIPTION], "annotations": tool.annotations.facts()}
            for tool in found.tools[:MAX_TOOLS]
            if len(tool.name) <= MAX_NAME
        ],
        "protocol": found.protocol[:64],
        "software": found.software[:128],
    }
