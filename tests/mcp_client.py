"""``python -m tests.mcp_client URL``: our MCP client as the conformance suite wants one, with the gateway's HTTP beneath it: asks what there is, and calls it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from typing import Any

from sympozium_skill_mcp import talk
from sympozium_skill_mcp.http import ExchangeTransport

from sympozium_core.address_guard import Guard
from sympozium_core.contracts.mcp import ExchangeAnswer, McpServer
from sympozium_core.gateway.tool_host import Place, ToolHost
from sympozium_core.gateway.tool_http import ToolConnections
from sympozium_core.processes.addresses import look_up

ARGUMENTS = {"add_numbers": {"a": 5, "b": 3}}


async def main(url: str) -> None:
    server = McpServer("suite", "http", url, "default", "suite")
    host = ToolHost("suite", Place(url, Guard(loopback="open")), {})
    connections = ToolConnections(look_up)

    def exchange(method: str, path: str, headers: Any, body: bytes) -> AbstractAsyncContextManager[ExchangeAnswer]:
        return connections.exchange(host, method, path, headers, body)

    try:
        async with talk.session(server, ExchangeTransport(exchange)) as found:
            for tool in await talk.all_tools(found):
                print(tool.name, await found.call_tool(tool.name, ARGUMENTS.get(tool.name, {})))
    finally:
        await connections.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
