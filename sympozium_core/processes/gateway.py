"""A gateway on a cluster: answers what runs ask of models. Stateless; any number of them share the work."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from sympozium_core import names
from sympozium_core.bus.appending import serve_appends
from sympozium_core.bus.users import GATEWAY_INBOX
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.provider import Provider
from sympozium_core.controllers.agentrun.context import INDEX_UID, INDEXES
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.processes.api_server import own_api_server
from sympozium_core.processes.control_bus import connect_bus
from sympozium_core.processes.health import Begin, serve_health
from sympozium_core.processes.models import Asked, answer_models
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.supervisor import Supervisor
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.record import Record
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.settings import GatewaySettings


async def serve_gateway(settings: GatewaySettings) -> None:
    """Serves until cancelled. Raises SympoziumError when it cannot begin."""
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        cluster = own_api_server()
        stack.push_async_callback(cluster.close)
        informers = Informers(cluster)
        runs = informers.of(AGENT_RUN, indexes={INDEX_UID: INDEXES[INDEX_UID]})
        begin = Begin(informers.problems)
        await stack.enter_async_context(serve_health(settings.health_port, begin.problems))
        supervisor = Supervisor()
        supervisor.add("informers", informers.run)
        await stack.enter_async_context(supervisor.running())
        bus = await connect_bus(settings.bus, inbox_prefix=GATEWAY_INBOX)
        stack.push_async_callback(bus.close)
        await informers.wait_synced()
        drivers: Drivers[Provider] = Drivers(names.GROUP_PROVIDERS, Provider, record=Record.in_directory(settings.data_dir))
        clients: Drivers[McpClient] = Drivers(names.GROUP_MCP_CLIENTS, McpClient, record=Record.in_directory(settings.data_dir))
        asked = Asked(drivers, settings.data_dir / "providers", on_this_machine=False, mcp_clients=clients)
        answering = answer_models(cluster, bus, Plans(bus), runs, asked, SystemClock())
        await stack.enter_async_context(answering)
        appends = await serve_appends(bus)
        stack.push_async_callback(appends.close)
        begin.done()
        await asyncio.Event().wait()
