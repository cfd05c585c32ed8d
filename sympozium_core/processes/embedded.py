"""The whole control plane in one process: store, bus, API on a Unix socket, and, where wanted, everything that carries runs out."""

from __future__ import annotations

import logging
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
from sympozium_core.embedded.lock import DataDir
from sympozium_core.embedded.rest import make_app, serve_unix
from sympozium_core.embedded.store import Store
from sympozium_core.processes.directory import Directory
from sympozium_core.processes.journal_route import journal_route
from sympozium_core.processes.plugins import load_hooks, make_directory
from sympozium_core.processes.rights import SingleUser
from sympozium_core.processes.sandboxes import SandboxChoice
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.record import Record
from sympozium_core.registry.relay import Relay
from sympozium_core.resources import kinds
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.sidecar.interpreter import python_command

if TYPE_CHECKING:
    from sympozium_core.embedded.bus.local import EmbeddedBus

Adopt = Callable[[str], None]

log = logging.getLogger(__name__)

CONTROLLER = User(f"{CONTROL_PLANE}controller", ("system:masters",))
COMMANDS = {
    "agent": tuple(python_command("sympozium_core.runner")),
    "bridge": (sys.executable, "-m", "sympozium_core.bridge"),
}


@dataclass(frozen=True)
class EmbeddedServer:
    """What a caller in the same process may ask of it."""

    cluster: Cluster
    """As the controller."""
    sandbox: SandboxChoice
    adopt: Adopt
    """Carries out a run that was there before; for servers with `only_new`."""


@asynccontextmanager
async def serve_embedded(
    settings: EmbeddedSettings, *, controllers: bool, only_new: bool = False
) -> AsyncIterator[EmbeddedServer]:
    """Holds the data directory and serves it; without `controllers`, objects can be read and written but no run goes on.

    `only_new` is for a command that will be gone soon: it leaves the runs that it finds to a server that stays.
    Raises DataDirBusy when another process holds the directory.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(DataDir(settings.data_dir))
        record = Record.in_directory(settings.data_dir)
        choice = SandboxChoice(Drivers(names.GROUP_SANDBOXES, Sandbox, record=record), settings.sandbox)
        store = await Store.open(settings.data_dir / "store.db", kinds=kinds.ALL)
        stack.push_async_callback(store.close)
        relay = load_hooks(record)
        cluster = store.as_user(CONTROLLER)
        directory = make_directory(cluster, record, choice.facts, relay, COMMANDS)
        store.use_admission(Reviewer(directory, SingleUser()))
        bus = LazyBus(settings, stack)
        adopt: Adopt = _nothing
        if controllers:
            base = _Base(await bus.open(), cluster, directory, relay, choice, record)
            adopt = await _carry_out(settings, stack, base, only_new=only_new)
        else:
            await SkillPackages(cluster, directory.skills).publish()
        app = make_app(store, routes=[journal_route(cluster, bus.open)])
        await stack.enter_async_context(serve_unix(app, settings.api_socket))
        yield EmbeddedServer(cluster, choice, adopt)


@dataclass(frozen=True)
class _Base:
    """What is there before anything is carried out."""

    bus: EmbeddedBus
    cluster: Cluster
    directory: Directory
    relay: Relay
    choice: SandboxChoice
    record: Record


async def _carry_out(settings: EmbeddedSettings, stack: AsyncExitStack, base: _Base, *, only_new: bool) -> Adopt:
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
