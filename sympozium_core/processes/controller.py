"""The controller on a cluster. Of several the one that has the Lease works; the others stand by, connected and ready.

Certificates are every replica's: the bus, which a leader needs, waits for its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

from sympozium_core import names
from sympozium_core.bus.nats_login import Login
from sympozium_core.clock import SystemClock
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.certificates.controller import Plan, keep_certificates
from sympozium_core.processes.api_server import own_api_server
from sympozium_core.processes.bus_certificates import keep_certificates_fresh, write_authority
from sympozium_core.processes.bus_place import bus_place
from sympozium_core.processes.cluster_pods import ClusterPods
from sympozium_core.processes.control_bus import connect_bus
from sympozium_core.processes.health import Begin, serve_health
from sympozium_core.processes.plugins import IN_IMAGES, load_hooks, make_directory
from sympozium_core.processes.runs import OnCluster, Parts, carry_out_runs
from sympozium_core.processes.sandboxes import SandboxChoice
from sympozium_core.processes.shared_reads import SharedReads
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.processes.tool_servers import OnThisCluster
from sympozium_core.reconcile.leader import Elector, LostLeadership
from sympozium_core.reconcile.supervisor import Supervisor
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.record import Record
from sympozium_core.settings import ControllerProcessSettings

LEASE_NAME = "sympozium-controller"

log = logging.getLogger(__name__)


async def serve_controller(settings: ControllerProcessSettings) -> None:
    """Serves until cancelled. Raises SympoziumError when it cannot begin."""
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        cluster = own_api_server()
        stack.push_async_callback(cluster.close)
        begin = Begin(list)
        await stack.enter_async_context(serve_health(settings.health_port, begin.problems))
        supervisor = Supervisor()
        supervisor.add("certificates", partial(keep_certificates, cluster, Plan(settings.namespace, settings.ca_secret)))
        await stack.enter_async_context(supervisor.running())
        if settings.bus.ca_file is None and settings.bus.address.startswith("tls://"):
            settings = await _with_own_bus(settings, cluster, supervisor)
        bus = await connect_bus(settings.bus, ensure_stream=True)
        stack.push_async_callback(bus.close)
        elector = Elector(cluster, settings.namespace, LEASE_NAME, f"{socket.gethostname()}-{os.urandom(4).hex()}")
        begin.done()
        while True:
            try:
                await elector.lead(partial(_work, settings, cluster, bus))
            except LostLeadership as error:
                log.warning("%s; standing by", error)


async def _with_own_bus(
    settings: ControllerProcessSettings, cluster: ClusterClient, supervisor: Supervisor
) -> ControllerProcessSettings:
    """The settings with the authority of the bus's certificate, in a file that is kept as it should be."""
    path = settings.data_dir / "bus-ca.crt"
    await write_authority(cluster, settings.namespace, path)
    system = Login(settings.bus.address, ca_file=path, seed_file=settings.system_seed_file)
    supervisor.add("bus certificates", partial(keep_certificates_fresh, cluster, settings.namespace, path, system))
    return replace(settings, bus=replace(settings.bus, ca_file=path))


async def _work(settings: ControllerProcessSettings, cluster: ClusterClient, bus: Bus) -> None:
    """What only the leader does."""
    record = Record.in_directory(settings.data_dir)
    relay = load_hooks(record)
    plans = Plans(bus)
    archives = SkillArchives.from_environment()
    choice = SandboxChoice(Drivers(names.GROUP_SANDBOXES, Sandbox, record=record), settings.sandbox)
    parts = Parts(
        cluster=cluster,
        bus=bus,
        plans=plans,
        pods=ClusterPods(cluster, bus, plans, choice, settings),
        directory=make_directory(SharedReads(cluster), record, choice.facts, relay, IN_IMAGES, archives),
        relay=relay,
        providers=None,
        data_dir=settings.data_dir,
        clock=SystemClock(),
        settings=settings.controller,
        tool_host=OnThisCluster.from_environment(settings.namespace),
        on_cluster=OnCluster(await bus_place(settings.bus.address, settings.namespace), cluster.create_subresource, archives),
    )
    async with carry_out_runs(parts):
        await asyncio.Event().wait()
