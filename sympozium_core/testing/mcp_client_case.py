"""What every check of `McpClientContract` is handed: a client, and how it is asked what a server has."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import pytest

from sympozium_core.contracts.mcp import Discovered, DiscoveredTool, Exchange, McpClient, McpServer
from sympozium_core.errors import SympoziumError
from sympozium_core.testing.mcp_client_server import ProtocolServer
from sympozium_core.testing.mcp_client_sse import SseServer
from sympozium_core.testing.shown import everything_of

SECONDS = 10.0
"""After which a discovery is taken as hanging."""
START_SECONDS = 40.0
"""Until an adapter listens: it may import a lot."""
TIMEOUT = 2
"""Seconds that a request may take, as the plan of a server says it."""


@dataclass
class McpCase:
    client: McpClient
    caplog: pytest.LogCaptureFixture | None = None
    seconds: float = SECONDS
    timeout: int = TIMEOUT
    start_seconds: float = START_SECONDS

    def plan(self, wire: ProtocolServer, **fields: Any) -> McpServer:
        """How the control plane describes the server."""
        transport = "sse" if isinstance(wire, SseServer) else "http"
        url = f"{wire.url}?{wire.secret}" if wire.secret else wire.url
        return McpServer(
            **{
                "name": "tools-of-acme",
                "transport": transport,
                "url": url,
                "namespace": "default",
                "prefix": "acme",
                "timeout": self.timeout,
                **fields,
            }
        )

    async def discover(self, wire: ProtocolServer, **fields: Any) -> Discovered:
        return await self.at(self.plan(wire, **fields), wire)

    async def at(self, server: McpServer, exchange: Exchange) -> Discovered:
        """AssertionError where it does not end in time."""
        try:
            async with asyncio.timeout(self.seconds) as limit:
                return await self.client.discover(server, exchange)
        except TimeoutError:
            assert not limit.expired(), f"a discovery has not ended after {self.seconds:g} s"
            raise

    async def names(self, wire: ProtocolServer, **fields: Any) -> list[str]:
        return [tool.name for tool in (await self.discover(wire, **fields)).tools]

    async def only(self, wire: ProtocolServer) -> DiscoveredTool:
        """The one tool that there is."""
        found = await self.discover(wire)
        assert len(found.tools) == 1, f"{len(found.tools)} tools were found where there is one"
        return found.tools[0]

    async def failure(self, wire: ProtocolServer, **fields: Any) -> SympoziumError:
        """The error that it has to end with."""
        try:
            found = await self.discover(wire, **fields)
        except SympoziumError as error:
            return error
        raise AssertionError(f"expected a SympoziumError, found {len(found.tools)} tools")

    async def failure_or(self, wire: ProtocolServer) -> list[DiscoveredTool]:
        """What was found; nothing where it ends with an error as it may."""
        try:
            return list((await self.discover(wire)).tools)
        except SympoziumError:
            return []

    async def shown(self, wire: ProtocolServer, **fields: Any) -> str:
        """All that a log may show of its error; nothing where there is none."""
        try:
            await self.discover(wire, **fields)
        except SympoziumError as error:
            return everything_of(error)
        return ""

    def logged(self) -> str:
        """By anybody, from INFO on."""
        assert self.caplog is not None
        return "\n".join(
            f"{record.name} {record.getMessage()} {record.exc_text or ''}"
            for record in self.caplog.records
            if record.levelno >= logging.INFO
        )
