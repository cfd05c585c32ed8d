"""What a gateway asks of the outside besides models, over HTTP: pages for runs, and MCP servers.

Importing aiohttp takes as long as a pod takes to start (the authorities that are trusted are read then), so it is imported when somebody asks, in a
thread, or before by whoever has the time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING

from sympozium_core.contracts.mcp import McpClient
from sympozium_core.gateway.target import ResolveFetch
from sympozium_core.processes.addresses import look_up
from sympozium_core.processes.tool_hosts import McpClients, ToolHosts
from sympozium_core.registry.drivers import Drivers

if TYPE_CHECKING:
    from sympozium_core.address_guard import Loopback
    from sympozium_core.gateway.discovery import Discovery
    from sympozium_core.gateway.exchange import Exchanges
    from sympozium_core.gateway.fetch import Fetches
    from sympozium_core.gateway.state import RunState
    from sympozium_core.gateway.tool_http import ToolConnections

LOOK_UPS = 16
"""Names of pages that are looked up at the same time."""
_HTTP = tuple(f"sympozium_core.gateway.{name}" for name in ("connector", "discovery", "exchange", "fetch"))


async def import_http() -> None:
    """What speaks HTTP is imported when this returns; the event loop goes on meanwhile."""
    for name in _HTTP:
        if name not in sys.modules:
            await asyncio.to_thread(import_module, name)


@dataclass(frozen=True)
class _Parts:
    connections: ToolConnections
    fetches: Fetches
    exchanges: Exchanges
    discovery: Discovery


class Outside:
    """One a gateway."""

    def __init__(self, fetching: ResolveFetch, hosts: ToolHosts, clients: Drivers[McpClient], loopback: Loopback) -> None:
        """`loopback` says whether a policy may list this machine's own addresses."""
        self._fetching, self._hosts, self._clients, self._loopback = fetching, hosts, McpClients(clients), loopback
        self._threads = ThreadPoolExecutor(LOOK_UPS, "look-up")

    async def fetch(self, uid: str, data: bytes, deadline: float, state: RunState) -> AsyncIterator[bytes]:
        """A `gateway.model.Fetch`."""
        await import_http()
        async for item in self._parts.fetches.answer(uid, data, deadline, state):
            yield item

    async def exchange(self, uid: str, data: bytes, deadline: float) -> AsyncIterator[bytes]:
        """A `gateway.model.Answers`, as all that follow."""
        await import_http()
        async for item in self._parts.exchanges.answer(uid, data, deadline):
            yield item

    async def discover(self, uid: str, data: bytes, deadline: float) -> AsyncIterator[bytes]:
        await import_http()
        async for item in self._parts.discovery.answer(uid, data, deadline):
            yield item

    async def close(self) -> None:
        if "_parts" in vars(self):
            await self._parts.connections.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _parts(self) -> _Parts:
        from sympozium_core.gateway.discovery import Discovery
        from sympozium_core.gateway.exchange import Exchanges
        from sympozium_core.gateway.fetch import Fetches
        from sympozium_core.gateway.fetcher import Fetcher
        from sympozium_core.gateway.tool_http import ToolConnections

        names = partial(look_up, executor=self._threads)
        connections = ToolConnections(names)
        return _Parts(
            connections,
            Fetches(self._fetching, Fetcher(names, self._loopback)),
            Exchanges(self._hosts.of_run, connections),
            Discovery(self._hosts.of_server, self._clients.get, connections),
        )
