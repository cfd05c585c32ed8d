"""Who runs MCP servers, and the controller that keeps them: wired for one machine, and for a cluster."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sympozium_core import names
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.controllers.mcpserver.controller import McpServers, Private
from sympozium_core.controllers.mcpserver.workload import Adapter
from sympozium_core.controllers.mcpserver.workloads import Workloads
from sympozium_core.errors import Permanent
from sympozium_core.processes.tool_hosts import McpClients
from sympozium_core.processes.tool_processes import ToolProcesses
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informers import Informers
from sympozium_core.registry.drivers import Drivers
from sympozium_core.resources.kinds import MCP_SERVER


@dataclass(frozen=True)
class OnThisCluster:
    """Servers are Deployments."""

    home: str
    """Namespace of the gateways."""
    image: str
    """Of Sympozium's Python skills: the adapter's."""
    pull_policy: str = "IfNotPresent"

    @classmethod
    def from_environment(cls, home: str, environment: Mapping[str, str] = os.environ) -> OnThisCluster:
        policy = environment.get(names.ENV_IMAGE_PULL_POLICY) or cls.pull_policy
        return cls(home, environment.get(names.ENV_SKILL_IMAGE, ""), policy)


def mcp_servers(
    cluster: Cluster,
    bus: Bus,
    informers: Informers,
    private: Private,
    host: ToolProcesses | OnThisCluster,
    *,
    events: EventRecorder,
    clock: Clock,
) -> McpServers:
    """Made before the informers are in step."""
    servers = informers.of(MCP_SERVER)
    if isinstance(host, OnThisCluster):
        workloads = Workloads(cluster, informers, _adapter(host), host.home)
        return McpServers(
            cluster,
            bus,
            servers,
            private,
            workloads,
            events=events,
            clock=clock,
            remote=True,
            sources=workloads.sources,
        )
    made = McpServers(cluster, bus, servers, private, host, events=events, clock=clock)
    host.changed = made.look_at
    return made


def _adapter(place: OnThisCluster) -> Callable[[], Awaitable[Adapter]]:
    """What serves a program on its standard streams."""
    clients = McpClients(Drivers(names.GROUP_MCP_CLIENTS, McpClient))

    async def find() -> Adapter:
        if not place.image:
            raise Permanent(f"{names.ENV_SKILL_IMAGE} is not set", hint="the Deployment that `sympozium install` makes sets it")
        return Adapter(place.image, (await clients.get()).adapter, place.pull_policy)

    return find
