"""The whole control plane in one process: store, bus, API on a Unix socket, and, where wanted, everything that carries runs out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sympozium_core import names
from sympozium_core.admission.reviewer import CONTROL_PLANE, Reviewer
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.cluster import Cluster, User
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.provider import Provider
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.controllers.skill_packages import SkillPackages
from sympozium_core.embedded.local_user import local_user
from sympozium_core.embedded.lock import DataDir
from sympozium_core.embedded.store import Store
from sympozium_core.processes.api_socket import api_socket, api_socket_later
from sympozium_core.processes.directory import Directory
from sympozium_core.processes.journal_reading import JournalReader
from sympozium_core.processes.plugins import load_hooks, make_directory
from sympozium_core.processes.rights import SingleUser
from sympozium_core.processes.sandboxes import SandboxChoice
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.record import Record
from sympozium_core.registry.relay import Relay
from sympozium_core.resources import kinds, load
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.sidecar.interpreter import python_command

if TYPE_CHECKING:
    from sympozium_core.embedded.bus.local import EmbeddedBus

Adopt = Callable[[str], None]

CONTROLLER = User(f"{CONTROL_PLANE}controller", ("system:masters",))
COMMANDS = {
    "agent": tuple(python_command("sympozium_core.runner")),
    "bridge": (sys.executable, "-m", "sympozium_core.bridge"),
}


@dataclass(frozen=True)
class EmbeddedServer:
    """What a caller in the same process may ask of it."""

    store: Store
    cluster: Cluster
    """As the controller."""
    journals: JournalReader
    sandbox: SandboxChoice
    adopt: Adopt
    """Carries out a run that was there before; for a server that is `brief`."""

    def as_myself(self, warn: Callable[[str], None]) -> Cluster:
        """What this process would see and do over the socket. `warn` gets the warnings of admission."""
        return self.store.as_user(local_user(os.geteuid()), warn)


@asynccontextmanager
async def serve_embedded(
    settings: EmbeddedSettings, *, controllers: bool, brief: DataDir | None = None
) -> AsyncIterator[EmbeddedServer]:
    """Holds the data directory and serves it; without `controllers`, objects can be read and written but no run goes on.

    `brief` is the directory, held already by a command that will be gone soon: it leaves the runs that it finds to a server that stays, and opens
    its socket when there is time. Raises DataDirBusy when another process holds the directory.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(brief or DataDir(settings.data_dir))
        record = Record.in_directory(settings.data_dir)
        choice = SandboxChoice(Drivers(names.GROUP_SANDBOXES, Sandbox, record=record), settings.sandbox)
        if controllers:
            stack.push_async_callback(choice.ahead())
        store = await Store.open(settings.data_dir / "store.db", kinds=kinds.ALL)
        stack.push_async_callback(store.close)
        relay = load_hooks(record)
        cluster = store.as_user(CONTROLLER)
        directory = make_directory(cluster, record, choice.facts, relay, COMMANDS)
        store.use_admission(Reviewer(directory, SingleUser()))
        bus = LazyBus(settings, stack)
        journals = JournalReader(cluster, bus.open)
        adopt: Adopt = _nothing
        begun = asyncio.Event()
        if controllers:
            base = _Base(await bus.open(), cluster, directory, relay, choice, record)
            adopt = await _carry_out(settings, stack, base, begun=begun, only_new=brief is not None)
        else:
            await SkillPackages(cluster, directory.skills).publish()
        place = settings.api_socket
        face = api_socket_later(store, journals, place, begun) if brief else api_socket(store, journals, place)
        await stack.enter_async_context(face)
        yield EmbeddedServer(store, cluster, journals, choice, adopt)


@dataclass(frozen=True)
class _Base:
    """What is there before anything is carried out."""

    bus: EmbeddedBus
    cluster: Cluster
    directory: Directory
    relay: Relay
    choice: SandboxChoice
    record: Record


async def _carry_out(
    settings: EmbeddedSettings, stack: AsyncExitStack, base: _Base, *, begun: asyncio.Event, only_new: bool
) -> Adopt:
    for kind in (kinds.SYMPOZIUM_INSTANCE, kinds.SYMPOZIUM_POLICY, kinds.AGENT_RUN, kinds.SKILL_PACK):
        load.prepare(kind)
        await asyncio.sleep(0)  # the sandbox is being chosen meanwhile, in steps
    from sympozium_core.controllers.agentrun.plans import Plans
    from sympozium_core.processes.pods import MEMORY, LocalPods
    from sympozium_core.processes.runs import Parts, carry_out_runs
    from sympozium_core.processes.secrets import secret_bytes
    from sympozium_core.processes.tool_processes import ToolProcesses

    tools = ToolProcesses(
        base.cluster, Drivers(names.GROUP_MCP_CLIENTS, McpClient, record=base.record), settings.data_dir / "mcp"
    )
    stack.push_async_callback(tools.close)
    parts = Parts(
        cluster=base.cluster,
        bus=base.bus,
        plans=Plans(base.bus),
        pods=LocalPods(
            base.bus,
            settings.bus_socket,
            settings.data_dir,
            base.choice,
            COMMANDS["bridge"],
            partial(secret_bytes, base.cluster),
        ),
        directory=base.directory,
        relay=base.relay,
        providers=Drivers(names.GROUP_PROVIDERS, Provider, record=base.record),
        data_dir=settings.data_dir / "providers",
        memory_dir=settings.data_dir / MEMORY,
        clock=SystemClock(),
        settings=settings.controller,
        tool_host=tools,
        only_new=only_new,
        pod_changed=lambda pod: begun.set(),
    )
    return await stack.enter_async_context(carry_out_runs(parts))


def _nothing(uid: str) -> None:
    """Without controllers there is nothing to adopt a run."""


class LazyBus:
    """The bus, opened when somebody needs it: most commands only read the store."""

    def __init__(self, settings: EmbeddedSettings, stack: AsyncExitStack) -> None:
        self._settings, self._stack = settings, stack
        self._bus: EmbeddedBus | None = None

    async def open(self) -> EmbeddedBus:
        if self._bus is None:
            from sympozium_core.embedded.bus.local import EmbeddedBus

            self._bus = await EmbeddedBus.open(self._settings.data_dir / "bus")
            self._stack.push_async_callback(self._bus.close)
        return self._bus
