"""The part of the control plane that carries runs out: informers, the AgentRun controller, the gateway, the journal's feed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.bus.journal import JournalEntry
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.provider import Provider
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.controllers import instance, tool_approvals
from sympozium_core.controllers.agentrun import approve_call, identity, journal_feed, phases, start_call
from sympozium_core.controllers.agentrun.code import SkillCode
from sympozium_core.controllers.agentrun.context import INDEX_POD, INDEX_UID, INDEXES, RunContext
from sympozium_core.controllers.agentrun.credentials_call import CreateSubresource, serve_credentials
from sympozium_core.controllers.agentrun.journal import Journals
from sympozium_core.controllers.agentrun.line import Line
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.agentrun.status import Stage, stage_of
from sympozium_core.controllers.agentrun.tightening import PolicyChanges
from sympozium_core.controllers.agentrun.warm import WarmPods
from sympozium_core.controllers.mcpserver.controller import McpServers
from sympozium_core.controllers.memory_claims import MemoryClaims
from sympozium_core.controllers.memory_folders import MemoryFolders
from sympozium_core.controllers.network_policies import BusPlace
from sympozium_core.controllers.network_profiles import NetworkProfiles
from sympozium_core.controllers.skill_packages import SkillPackages
from sympozium_core.controllers.tool_approvals import ToolApprovals
from sympozium_core.errors import Permanent
from sympozium_core.hooks import RunEvent
from sympozium_core.planning.patches import apply_patch
from sympozium_core.processes.directory import Directory
from sympozium_core.processes.models import Asked, answer_models
from sympozium_core.processes.pods import PodHost
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.processes.tool_processes import ToolProcesses
from sympozium_core.processes.tool_servers import OnThisCluster, mcp_servers
from sympozium_core.reconcile.controller import Controller, Options, Source
from sympozium_core.reconcile.events import EventRecorder
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.reconcile.supervisor import Supervisor
from sympozium_core.registry import calls
from sympozium_core.registry.drivers import Drivers
from sympozium_core.registry.relay import Relay
from sympozium_core.resources.kinds import (
    AGENT_RUN,
    MCP_SERVER,
    SKILL_PACK,
    SYMPOZIUM_INSTANCE,
    SYMPOZIUM_POLICY,
    TOOL_APPROVAL,
)
from sympozium_core.settings import ControllerSettings

log = logging.getLogger(__name__)

FOLLOWED = (SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY, SKILL_PACK, MCP_SERVER)
"""What each plan is made of: where reading it is a request to an API server, it is followed instead."""

WORKERS, WORKERS_ON_CLUSTER = 16, 512
"""Runs that are worked on at once. An API server answers each client in turn, and in a burst everybody else's requests are waiting
there too: what a controller has not asked for yet comes last. Asked of a store in the same process, more at once gain nothing."""

Adopt = Callable[[str], None]


@dataclass(frozen=True)
class OnCluster:
    """What the control plane of a cluster does besides."""

    bus: BusPlace
    """Where pods find the event bus."""
    create_subresource: CreateSubresource
    """Of the cluster's client."""
    archives: SkillArchives
    """The code of skills that the images of their containers have not."""


@dataclass
class Parts:
    """What the embedded server and a cluster's controller make differently."""

    cluster: Cluster
    bus: Bus
    plans: Plans
    pods: PodHost
    directory: Directory
    relay: Relay
    providers: Drivers[Provider] | None
    """None where gateways are processes of their own."""
    data_dir: Path
    clock: Clock
    settings: ControllerSettings
    tool_host: ToolProcesses | OnThisCluster
    """Who runs MCP servers."""
    on_cluster: OnCluster | None = None
    memory_dir: Path | None = None
    """Of a machine that keeps the memories of instances itself."""
    only_new: bool = False
    """Leave the runs that are there already alone, but for those that are adopted."""
    pod_changed: Callable[[str], None] = lambda pod: None
    """Told of each pod that has started, or changed since."""


@asynccontextmanager
async def carry_out_runs(parts: Parts) -> AsyncIterator[Adopt]:
    """Everything runs when this yields; all of it has ended, pods included, when it returns.

    What it yields adopts a run by its UID, where `only_new` left it alone.
    """
    async with AsyncExitStack() as stack:
        informers = Informers(parts.cluster)
        runs = informers.of(AGENT_RUN, indexes=INDEXES)
        instances = informers.of(SYMPOZIUM_INSTANCE)
        policies = informers.of(SYMPOZIUM_POLICY)
        questions = informers.of(TOOL_APPROVAL, indexes=tool_approvals.INDEXES)
        events = EventRecorder(parts.cluster, "sympozium-controller", clock=parts.clock)
        tool_servers = _tool_servers(parts, informers, events)
        supervisor = Supervisor()
        supervisor.add("informers", informers.run)
        supervisor.add("events", events.run)
        await stack.enter_async_context(supervisor.running())
        stack.push_async_callback(events.close)
        wake = _Wake(runs, parts.pod_changed)
        facts = await parts.directory.sandbox()
        network = _network(parts, informers, instances, runs, wake) if parts.on_cluster is not None else None
        if parts.on_cluster is not None:
            parts.directory.follow({kind: informers.of(kind) for kind in FOLLOWED})
        memory = _memory(parts, informers) if "memory" in facts.features else None
        packages = _packages(parts, informers)
        await informers.wait_synced()
        if isinstance(memory, MemoryFolders):
            await asyncio.to_thread(memory.sweep, instances.cache.all())
        sandbox = await stack.enter_async_context(parts.pods.open(runs, wake.pod))
        wake.warm = WarmPods(sandbox, parts.settings.warm_pods)
        stack.push_async_callback(wake.warm.close)
        approvals = ToolApprovals(parts.cluster, questions, runs, events=events, clock=parts.clock)
        context = _context(parts, runs, sandbox, facts.name, events, wake.warm, approvals)
        context.network = network
        await _answer_pods(stack, parts, context)
        wake.controller = _run_controller(context, WORKERS if parts.on_cluster is None else WORKERS_ON_CLUSTER)
        policies.on_change(PolicyChanges(context, wake.controller.enqueue).changed)
        await parts.pods.sweep(runs)
        work = Supervisor()
        work.add("agentruns", wake.controller.run)
        about = instance.controller(parts.cluster, instances, runs, events=events, clock=parts.clock, memory=memory)
        work.add("instances", about.run)
        work.add("approvals", approvals.controller().run)
        work.add("mcp servers", tool_servers.controller.run)
        if packages is not None:
            work.add("skill packages", packages.run)
        if network is not None:
            work.add("network profiles", network.controller().run)
            work.add("leftover rights", lambda: identity.keep_swept(context))
        work.add("journal feed", lambda: journal_feed.feed(parts.bus, wake.uid, _teller(parts.relay, runs)))
        await stack.enter_async_context(work.running())

        def adopt(uid: str) -> None:
            if uid in context.left_alone:
                context.left_alone.remove(uid)
                wake.uid(uid)

        yield adopt


def _tool_servers(parts: Parts, informers: Informers, events: EventRecorder) -> McpServers:
    private, host = parts.directory.mcp_private, parts.tool_host
    made = mcp_servers(parts.cluster, parts.bus, informers, private, host, events=events, clock=parts.clock)
    parts.directory.settle = made.settled
    return made


async def _answer_pods(stack: AsyncExitStack, parts: Parts, context: RunContext) -> None:
    """What bridges ask of the controller, and here of the gateway too where it is no process of its own; until `stack` is closed."""
    if parts.providers is not None:
        asked = Asked(
            parts.providers,
            parts.data_dir,
            on_this_machine=True,
            mcp_clients=Drivers(names.GROUP_MCP_CLIENTS, McpClient),
            local_servers=parts.tool_host if isinstance(parts.tool_host, ToolProcesses) else None,
        )
        models = answer_models(parts.cluster, parts.bus, parts.plans, context.runs, asked, parts.clock)
        await stack.enter_async_context(models)
    servers = [await start_call.serve_start(context), await approve_call.serve_approve(context)]
    if parts.on_cluster is not None:
        servers.append(await serve_credentials(context, parts.on_cluster.create_subresource))
    for server in servers:
        stack.push_async_callback(server.close)


def _network(parts: Parts, informers: Informers, instances: Informer, runs: Informer, wake: _Wake) -> NetworkProfiles:
    assert parts.on_cluster is not None
    return NetworkProfiles(
        parts.cluster,
        informers,
        instances=instances,
        runs=runs,
        bus=parts.on_cluster.bus,
        clock=parts.clock,
        waiting=lambda: wake.warm.plans if wake.warm is not None else (),
    )


def _context(
    parts: Parts,
    runs: Informer,
    sandbox: Sandbox,
    sandbox_name: str,
    events: EventRecorder,
    warm: WarmPods,
    approvals: ToolApprovals,
) -> RunContext:
    def patch_plan(run: Mapping[str, Any], plan: RunPlan) -> RunPlan:
        patched, failures = calls.patch_plan(parts.relay, plan, apply_patch)
        for failure in failures:
            context.warning(run, "PluginFailed", f"plugin {failure.plugin} changed nothing: {failure.message}")
        return patched

    context = RunContext(
        cluster=parts.cluster,
        bus=parts.bus,
        sandbox=sandbox,
        sandbox_name=sandbox_name,
        runs=runs,
        plans=parts.plans,
        journals=Journals(parts.bus, parts.clock),
        gather=parts.directory.gather,
        binding=parts.directory.binding,
        review_by_hooks=parts.directory.hooks,
        patch_plan=patch_plan,
        revoke=parts.pods.revoke,
        warm=warm,
        approvals=approvals,
        single_user=parts.on_cluster is None,
        code=_code(parts),
        events=events,
        clock=parts.clock,
        settings=parts.settings,
        outdated={run["metadata"]["uid"] for run in runs.cache.all() if stage_of(run) is not Stage.ENDED},
        left_alone={run["metadata"]["uid"] for run in runs.cache.all()} if parts.only_new else set(),
    )
    return context


def _packages(parts: Parts, informers: Informers) -> Controller | None:
    """A command that is gone soon has looked at the packages before."""
    if parts.only_new:
        return None
    return SkillPackages(parts.cluster, parts.directory.skills).controller(informers.of(SKILL_PACK))


def _code(parts: Parts) -> SkillCode | None:
    return None if parts.on_cluster is None else SkillCode(parts.cluster, parts.on_cluster.archives.data, parts.clock)


def _memory(parts: Parts, informers: Informers) -> MemoryClaims | MemoryFolders:
    if parts.memory_dir is not None:
        return MemoryFolders(parts.memory_dir)
    return MemoryClaims(parts.cluster, informers, parts.clock)


def _run_controller(context: RunContext, workers: int) -> Controller:
    async def gave_up(key: Key, error: Permanent) -> None:
        run = context.runs.cache.get(key)
        if run is not None:
            await phases.give_up(context, run, error)

    controller = Controller(
        "agentruns",
        context.runs,
        partial(phases.reconcile, context),
        sources=[Source(context.approvals.informer, _run_of)],
        options=Options(workers=workers, gave_up=gave_up, concerns=phases.concerns, can_wait=phases.can_wait),
    )

    context.runs.on_change(Line(context, controller.enqueue).changed)
    return controller


def _run_of(approval: Mapping[str, Any]) -> list[Key]:
    return [Key(approval["metadata"]["namespace"], str(approval["spec"].get("runRef")))]


class _Wake:
    """Finds the run that a message or a pod belongs to, and has it looked at."""

    def __init__(self, runs: Informer, pod_changed: Callable[[str], None]) -> None:
        self._runs, self._pod_changed = runs, pod_changed
        self.controller: Controller | None = None
        self.warm: WarmPods | None = None

    def pod(self, pod: str) -> None:
        self._pod_changed(pod)
        if self.warm is not None and pod in self.warm.pods:
            self.warm.look_at(pod)
        else:
            self._enqueue(INDEX_POD, pod)

    def uid(self, uid: str) -> None:
        self._enqueue(INDEX_UID, uid)

    def _enqueue(self, index: str, value: str) -> None:
        if self.controller is not None:
            for run in self._runs.cache.by_index(index, value):
                self.controller.enqueue(key_of(run))


def _teller(relay: Relay, runs: Informer) -> journal_feed.Told:
    """Tells the plugins of each entry; a run that is deleted already has nobody to tell of."""

    def tell(uid: str, found: JournalEntry) -> None:
        if not relay.implements("sympozium_run_event"):
            return
        for run in runs.cache.by_index(INDEX_UID, uid):
            metadata = run["metadata"]
            event = RunEvent(uid, metadata["namespace"], metadata["name"], found.source, found.sequence, found.entry)
            calls.tell_run_event(relay, event)

    return tell
