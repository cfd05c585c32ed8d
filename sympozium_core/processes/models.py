"""What the gateway is handed: which model a run may ask, with whose key, and the open provider drivers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.bus import subjects
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.plan import Limits, RunPlan
from sympozium_core.contracts.plan_reading import tool_policy_from_json
from sympozium_core.contracts.provider import Endpoint, Provider, ProviderContext
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.controllers.agentrun import attempts
from sympozium_core.controllers.agentrun.context import INDEX_UID
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.agentrun.status import Stage, stage_of, status_of
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.model import Gateway
from sympozium_core.gateway.target import FetchTarget, ModelTarget
from sympozium_core.planning.fetching import server_guard
from sympozium_core.planning.limits import lowered
from sympozium_core.planning.reach import Reach, reach_of
from sympozium_core.processes.addresses import look_up
from sympozium_core.processes.outside import Outside, import_http
from sympozium_core.processes.secrets import secret_values
from sympozium_core.processes.tool_hosts import LocalServers, Serving, ToolHosts
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.informer import Informer
from sympozium_core.registry.drivers import Drivers

UNUSED = 3600.0
"""Seconds after which connections to private addresses that no run has asked for are given up; longer than a model's answer takes."""
BEHIND = 3.0
"""Seconds for which a run that is not known here, or not to be that far, is waited for."""


@dataclass(frozen=True)
class Asked:
    """Where the gateway's answers come from."""

    drivers: Drivers[Provider]
    data_dir: Path
    """Of the providers' own files."""
    on_this_machine: bool
    """The control plane's machine is its user's own: its loopback is open to models and MCP servers, and may be listed for pages."""
    mcp_clients: Drivers[McpClient]
    local_servers: LocalServers | None = None
    """Those that are run beside the control plane of one machine."""


@asynccontextmanager
async def answer_models(
    cluster: Cluster, bus: Bus, plans: Plans, runs: Informer, asked: Asked, clock: Clock
) -> AsyncIterator[None]:
    """Answers what runs ask of a gateway, until left."""
    targets = Targets(cluster, runs, plans)
    providers = OpenProviders(asked)
    hosts = ToolHosts(cluster, targets, asked.local_servers, on_this_machine=asked.on_this_machine)
    outside = Outside(targets.fetching, hosts, asked.mcp_clients, "listed" if asked.on_this_machine else "never")
    others = {subjects.EXCHANGE: outside.exchange, subjects.DISCOVER: outside.discover}
    gateway = Gateway(bus, targets.resolve, providers, clock, outside.fetch, others)
    await gateway.start()
    try:
        yield
    finally:
        await gateway.close()
        await outside.close()
        await providers.close()


class OpenProviders:
    """Opens each provider at its first use; implements `gateway.target.Providers`.

    Runs that may ask models at different private addresses share neither connections nor drivers: a connection that one of them may have is none
    that the other is let onto.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._groups: dict[tuple[str, ...], _Group] = {}

    async def get(self, name: str, private: tuple[str, ...]) -> Provider:
        """Raises UnknownDriver, PluginBroken or what the driver's `open` raises; a failed open is tried again next time."""
        await import_http()
        group = self._groups.get(private)
        if group is None:
            await self._forget_unused()
            group = self._groups[private] = _Group(self._asked, private)
        return await group.get(name)

    async def _forget_unused(self) -> None:
        """Policies change, and what they listed goes with them."""
        unused = [private for private, group in self._groups.items() if time.monotonic() - group.used > UNUSED]
        for group in [self._groups.pop(private) for private in unused]:
            await group.close()

    async def close(self) -> None:
        for group in self._groups.values():
            await group.close()


class _Group:
    """The drivers and the HTTP session of runs with the same private addresses."""

    def __init__(self, asked: Asked, private: tuple[str, ...]) -> None:
        import aiohttp

        from sympozium_core.gateway.connector import GuardedConnector, guarded_session

        self._asked = asked
        self._open: dict[str, asyncio.Task[Provider]] = {}
        guard = server_guard(private, on_this_machine=asked.on_this_machine)
        self._http = guarded_session(GuardedConnector(look_up, guard), timeout=aiohttp.ClientTimeout(total=None))
        self.used = time.monotonic()

    async def get(self, name: str) -> Provider:
        self.used = time.monotonic()
        task = self._open.get(name)
        if task is None:
            task = self._open[name] = asyncio.ensure_future(self._opened(name))
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._open.pop(name, None)
            raise

    async def _opened(self, name: str) -> Provider:
        known = await asyncio.to_thread(self._asked.drivers.get, name)
        provider = type(known)()  # the registry has one of each, and a provider keeps the session that it is opened with
        await provider.open(ProviderContext(http=self._http, provider=self.get, data_dir=self._asked.data_dir))
        return provider

    async def close(self) -> None:
        for task in self._open.values():
            if task.done() and not task.cancelled() and task.exception() is None:
                await task.result().close()
        await self._http.close()


def _held(run: Mapping[str, Any], plan: RunPlan) -> tuple[Limits, Reach]:
    """As planned, or less where a policy was tightened since: the status says so."""
    stamp = status_of(run).get("effectivePolicy") or {}
    return lowered(plan.limits, stamp.get("limits") or {}), reach_of(plan, stamp)


def _tools(run: Mapping[str, Any], plan: RunPlan) -> ToolPolicy:
    """As `_held`."""
    stamp = status_of(run).get("effectivePolicy") or {}
    return tool_policy_from_json(stamp["tools"]) if stamp.get("tightenedBy") else plan.tools


class Targets:
    """Finds the model of a run by the run's UID."""

    def __init__(self, cluster: Cluster, runs: Informer, plans: Plans) -> None:
        self._cluster, self._runs, self._plans = cluster, runs, plans

    async def resolve(self, uid: str, attempt: int) -> ModelTarget:
        """Raises Permanent for a run that is unknown or over, or whose Secret is missing; Temporary while it is not known to be that far."""
        run = await self._run(uid, attempt)
        plan = await self._plans.load(uid)
        model = plan.model
        limits, reach = _held(run, plan)
        credentials = await secret_values(self._cluster, plan.namespace, model.secret) if model.secret else {}
        return ModelTarget(
            provider=model.provider,
            endpoint=Endpoint(model=model.model, base_url=model.base_url.rstrip("/"), credentials=credentials),
            attempt=int(status_of(run)["attempt"]),
            deadline=attempts.deadline_of(run, limits.timeout),
            limits=limits,
            private=reach.private_models,
        )

    async def fetching(self, uid: str, attempt: int) -> FetchTarget:
        """As `resolve`, without a look at the run's Secret. The tool's own policy counts here too: whoever asks is a pod."""
        run = await self._run(uid, attempt)
        plan = await self._plans.load(uid)
        limits, reach = _held(run, plan)
        denied = _tools(run, plan).decide(names.Tool.FETCH_URL).action == "deny"
        return FetchTarget(
            policy=None if denied else reach.fetch,
            attempt=int(status_of(run)["attempt"]),
            deadline=attempts.deadline_of(run, limits.timeout),
            limits=limits,
        )

    async def serving(self, uid: str, attempt: int, name: str) -> Serving:
        """As `resolve`, of one of the run's MCP servers."""
        run = await self._run(uid, attempt)
        plan = await self._plans.load(uid)
        limits, reach = _held(run, plan)
        server = next((each for each in plan.mcp if each.name == name), None)
        if server is None:
            raise Permanent(f"the run has no MCP server {name[:64]!r}", reason=names.Reason.TOOL_ERROR)
        until = attempts.deadline_of(run, limits.timeout)
        return Serving(server, reach.private_mcp, int(status_of(run)["attempt"]), until)

    async def _run(self, uid: str, attempt: int) -> View:
        """The run in this attempt or a later one. A bridge may be ahead of what a gateway of another process has seen of the run."""
        if (run := self._running(uid, attempt)) is not None:
            return run
        changed = asyncio.Event()
        forget = self._runs.on_change(lambda old, new: changed.set())
        try:
            async with asyncio.timeout(BEHIND):
                while (run := self._running(uid, attempt)) is None:
                    changed.clear()
                    await changed.wait()
                return run
        except TimeoutError:
            raise Temporary(f"attempt {attempt} of the run is not known here yet") from None
        finally:
            forget()

    def _running(self, uid: str, attempt: int) -> View | None:
        """None while it is not known to be that far. Raises Permanent for a run that is over."""
        run = next(iter(self._runs.cache.by_index(INDEX_UID, uid)), None)
        stage = stage_of(run) if run is not None else None
        if stage is Stage.ENDED:
            raise Permanent("this run is over", reason=names.Reason.MODEL_ERROR)
        known = run is not None and stage is Stage.PLACED and int(status_of(run)["attempt"]) >= attempt
        return run if known else None
