"""What the gateway is handed for MCP servers: where each is, which of its headers come out of Secrets, and who speaks MCP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from sympozium_core import names
from sympozium_core.address_guard import Guard
from sympozium_core.contracts.cluster import Cluster, NotFound
from sympozium_core.contracts.mcp import McpClient, McpServer
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.tool_host import Place, RunToolHost, ToolHost
from sympozium_core.planning.fetching import server_guard
from sympozium_core.planning.mcp import server_of, service_url
from sympozium_core.processes.secrets import secret_values
from sympozium_core.registry.drivers import Drivers
from sympozium_core.resources import load
from sympozium_core.resources.kinds import MCP_SERVER

WITHIN_A_CLUSTER = Guard(("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"), "never")
"""Where the Services of a cluster are: open for servers that it runs, whose addresses are of nobody's choosing."""


class LocalServers(Protocol):
    def place(self, namespace: str, name: str) -> Place:
        """Of a server that is run on this machine. Raises Temporary where it does not run now."""


class Servings(Protocol):
    async def serving(self, uid: str, attempt: int, name: str) -> Serving:
        """Raises SympoziumError."""


@dataclass(frozen=True)
class Serving:
    """An MCP server as the plan of a run has it, and what is left to the run by now."""

    server: McpServer
    private: tuple[str, ...]
    attempt: int
    deadline: float


class ToolHosts:
    def __init__(self, cluster: Cluster, servings: Servings, local: LocalServers | None, *, on_this_machine: bool) -> None:
        self._cluster, self._servings, self._local, self._on_this_machine = cluster, servings, local, on_this_machine

    async def of_run(self, uid: str, attempt: int, name: str) -> RunToolHost:
        """A `tool_host.FindHost`."""
        found = await self._servings.serving(uid, attempt, name)
        host = await self._host(found.server, found.private)
        return RunToolHost(host, found.attempt, found.deadline)

    async def of_server(self, uid: str, namespace: str, name: str, private: tuple[str, ...]) -> tuple[McpServer, ToolHost]:
        """A `discovery.FindServer`. A run's pod can ask under its run's UID alone, which is no server's."""
        try:
            found = load.normalise(await self._cluster.get(MCP_SERVER, namespace, name))
        except NotFound:
            raise Permanent(f"there is no MCPServer {name[:64]!r} in namespace {namespace[:64]!r}") from None
        if found["metadata"]["uid"] != uid:
            raise Permanent(f"MCPServer {name[:64]!r} is another one by now")
        server = server_of(found)
        if server.managed and not self._on_this_machine:
            server = replace(server, url=service_url(found))
        host = await self._host(server, private)
        return replace(server, url=host.place.url), host

    async def _host(self, server: McpServer, private: tuple[str, ...]) -> ToolHost:
        return ToolHost(server.name, self._place(server, private), await self._headers(server))

    def _place(self, server: McpServer, private: tuple[str, ...]) -> Place:
        if not server.managed:
            return Place(server.url, server_guard(private, on_this_machine=self._on_this_machine))
        if self._on_this_machine:
            if self._local is None:
                raise Temporary(f"nothing runs MCP server {server.name} here", reason=names.Reason.TOOL_ERROR)
            return self._local.place(server.namespace, server.name)
        return Place(server.url, WITHIN_A_CLUSTER)

    async def _headers(self, server: McpServer) -> Mapping[str, str]:
        secrets: dict[str, Mapping[str, str]] = {}
        for name in {header.secret for header in server.headers if header.secret}:
            secrets[name] = await secret_values(self._cluster, server.namespace, name, reason=names.Reason.TOOL_ERROR)
        found = {}
        for header in server.headers:
            value = secrets[header.secret].get(header.key) if header.secret else ""
            if value is None:
                there = ", ".join(sorted(secrets[header.secret])) or "none"
                raise Permanent(
                    f"Secret {header.secret!r} has no key {header.key!r} for header {header.name} of MCP server {server.name}",
                    reason=names.Reason.TOOL_ERROR,
                    hint=f"it has {there}",
                )
            found[header.name] = header.value + value.rstrip("\r\n")
        return found


class McpClients:
    """The one that is installed, imported at its first use and in a thread: it takes a second."""

    def __init__(self, drivers: Drivers[McpClient]) -> None:
        self._drivers = drivers

    async def get(self) -> McpClient:
        """Raises Permanent where there is none, or it cannot be loaded."""
        there = self._drivers.names()
        if not there:
            raise Permanent(
                "nothing is installed here that speaks MCP", hint=f"pip install the package of skill {names.MCP_SERVER}"
            )
        return await asyncio.to_thread(self._drivers.get, there[0])
