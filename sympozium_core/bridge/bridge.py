"""One pod's bridge, from the assignment of its run until the result is safe: docs/architecture.md, "What the bridge does, in order"."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.bridge import offer as offers
from sympozium_core.bridge.agent_volume import AgentVolume
from sympozium_core.bridge.approvals import Waits
from sympozium_core.bridge.artifacts import Artifacts
from sympozium_core.bridge.assignment import Assignment, Earlier, assignment
from sympozium_core.bridge.control_server import ControlServer
from sympozium_core.bridge.credentials import Credentials, Wanted, containers_with_rights
from sympozium_core.bridge.egress_proxy import EgressProxy
from sympozium_core.bridge.either_server import EitherServer
from sympozium_core.bridge.exchange_endpoint import ExchangeEndpoint
from sympozium_core.bridge.exchange_gate import ExchangeGate
from sympozium_core.bridge.gate import CALLS_AT_ONCE, Gate
from sympozium_core.bridge.gateway_server import GatewayServer, tools_of
from sympozium_core.bridge.model_calls import ModelCalls
from sympozium_core.bridge.model_endpoint import ModelEndpoint
from sympozium_core.bridge.policy import CallReview
from sympozium_core.bridge.progress import Progress
from sympozium_core.bridge.record import Record
from sympozium_core.bridge.result import acknowledge, append_result
from sympozium_core.bridge.server import Server
from sympozium_core.bridge.stopping import GRACE, Stopping, listen, obey
from sympozium_core.bridge.task import task
from sympozium_core.bridge.tightening import Tightening
from sympozium_core.bridge.tool_server import ToolServer, container_name
from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.bus import Bus, Subscription
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.documents import encode
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.ipc.skill_texts import write_skills
from sympozium_core.names import CONTROL_SERVER, GATEWAY_SERVER, MCP_SERVER, Reason

AGENT = "agent"
MANIFEST_SECONDS = 10.0
"""How long the sidecars have to say what they serve."""

logger = logging.getLogger(__name__)


class VolumeUsed(Permanent):
    """A bridge of this pod has written a task already: what it did is not known here, so the pod cannot go on."""


@dataclass(frozen=True)
class Pod:
    """Where a bridge finds itself."""

    id: str
    volumes: Path
    model_listen: str
    """As `names.ENV_MODEL_LISTEN` says."""
    manifest_seconds: float = MANIFEST_SECONDS
    skills: Path | None = None
    """Where the bridge puts the instructions for the model; None where the runtime has put them there."""
    credentials: Path | None = None
    """Where the bridge puts Kubernetes tokens; None where the runtime hands over none."""


async def carry_run(bus: Bus, uid: str, pod: Pod, stopping: Stopping) -> bool:
    """True when the run's result is safe; False when the agent gave none in time.

    Raises VolumeUsed, RunOver, Fenced, Permanent, and BusUnavailable where the bus stayed away; from tasks, inside an ExceptionGroup.
    """
    async with AsyncExitStack() as stack:
        agent = AgentVolume(pod.volumes / AGENT)
        stack.callback(agent.close)
        if agent.root.exists(layout.TASK):
            raise VolumeUsed("the bridge of this pod has been started twice", hint="the run goes on in a new pod")
        control = await listen(bus, uid)
        stack.push_async_callback(control.close)
        given = await assignment(bus, uid, pod.id)
        if pod.skills is not None:
            await asyncio.to_thread(write_skills, given.plan.pod.skills, pod.skills)
        servers: dict[str, Server] = {}
        if tools_of(given.plan):
            servers[GATEWAY_SERVER] = GatewayServer(bus, given.plan, given.attempt)
        servers[CONTROL_SERVER] = ControlServer()
        own_images = {container.name for container in given.plan.pod.containers if container.image}
        for server in given.plan.servers:
            volume = pod.volumes / container_name(server.name)
            unknown = container_name(server.name) in own_images
            servers[server.name] = EitherServer(server, volume) if unknown else ToolServer(server.name, volume)
            stack.callback(servers[server.name].close)
        if given.plan.pod.egress and pod.model_listen == "unix":
            proxy = EgressProxy(given.plan.pod.egress)
            stack.push_async_callback(proxy.close)
            for server_there in servers.values():
                if isinstance(server_there, ToolServer):
                    await proxy.listen(server_there.root)
        if isinstance(speaker := servers.get(MCP_SERVER), ToolServer) and given.plan.mcp:
            exchanges = ExchangeEndpoint(bus, given, ExchangeGate(given.plan.mcp, speaker.under_way.values))
            stack.push_async_callback(exchanges.close)
            await exchanges.listen(pod.model_listen, speaker.root)
        run = _Run(bus, given, pod, agent, servers, stopping)
        stack.push_async_callback(run.endpoint.close)
        return await run.carry(control)


class _Run:
    """What belongs together once the run is known."""

    def __init__(
        self, bus: Bus, given: Assignment, pod: Pod, agent: AgentVolume, servers: Mapping[str, Server], stopping: Stopping
    ) -> None:
        plan = given.plan
        self._bus, self._given, self._pod, self._agent, self._servers = bus, given, pod, agent, servers
        self._stopping = stopping
        journal = Journal(bus, subjects.journal(plan.uid, subjects.POD), last=given.last_pod, attempt=given.attempt)
        self._record = Record(journal, given.deadline + GRACE)
        self._artifacts = Artifacts(bus, plan.uid, agent.root, self._record)
        self._progress = Progress(agent.root, self._record)
        for server in servers.values():
            if isinstance(server, ToolServer):
                server.heard = self._progress.tool_output
        self._review = CallReview(plan.tools, plan.bridge_hooks, plan.mcp)
        self._tightening = Tightening(bus, plan.uid, pod.id, self._review)
        calls = ModelCalls(
            bus,
            plan.uid,
            attempt=given.attempt,
            deadline=given.deadline,
            max_turns=plan.limits.max_turns,
            turns=(given.earlier or Earlier()).turns if plan.resumes else 0,
        )
        self.endpoint = ModelEndpoint(calls, plan.model.model)
        self._tasks: list[asyncio.Task[Any]] = []

    async def carry(self, control: Subscription) -> bool:
        async with asyncio.TaskGroup() as group:

            def start(work: Coroutine[Any, Any, None]) -> None:
                self._tasks.append(group.create_task(work))

            for server in self._servers.values():
                start(server.watch())
            start(obey(self._bus, self._given.plan.uid, control, self._stopping, self._tightening))
            start(self._tightening.work())
            start(self._stopping.at(self._given.deadline))
            tokens = group.create_task(self._fetch_tokens())
            offer = await self._offer()
            waits = Waits(self._bus, self._given.plan.uid, self._pod.id, self._given.deadline)
            start(waits.work())
            parts = (self._agent.root, self._servers, self._record, self._artifacts, waits)
            gate = Gate(self._given, offer, self._review, *parts)
            for name in self._servers:
                for _ in range(CALLS_AT_ONCE):
                    start(gate.work(name))
            start(self._progress.work())
            start(self._agent.watch(tuple(self._servers), gate, self._progress, self._record))
            if credentials := await tokens:
                start(credentials.keep())
            await self._start_agent(offer)
            finished = await self._until_result() and not self._only_this_pod_ends()
            for running in self._tasks:
                running.cancel()
        if finished:
            await self._finish()
        for server in self._servers.values():
            server.finish()
        return finished

    async def _offer(self) -> offers.Offer:
        """Waits for the manifests, no longer than allowed, and says on record what came of it."""
        waiting = [server.tools for server in self._servers.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=self._pod.manifest_seconds)
        said: dict[str, tuple[ToolDefinition, ...]] = {
            name: server.tools.result() for name, server in self._servers.items() if server.tools.done()
        }
        offer = offers.decide(self._given.plan, said)
        await self._record.append("started", **offer.started_entry())
        silent = [f"MCP server {name} has no tool in this run: it did not answer, or offers none" for name in offer.silent]
        for problem in (*offer.problems, *silent):
            await self._record.problem(problem, layout.MANIFEST)
        for name in offer.missing:
            if error := self._servers[name].manifest_error:
                await self._record.problem(error, f"{layout.server_dir(name)}/{layout.MANIFEST}")
        return offer

    async def _fetch_tokens(self) -> Credentials | None:
        """Before the agent starts, so that no tool call comes too early."""
        plan = self._given.plan
        wanted = Wanted(self._pod.id, containers_with_rights(plan.pod), self._given.deadline + GRACE)
        if not wanted.containers:
            return None
        if self._pod.credentials is None:
            raise Permanent("the plan has skills with rights, and this runtime hands over no tokens")
        credentials = Credentials(self._bus, plan.uid, wanted, self._pod.credentials)
        await credentials.fetch()
        return credentials

    async def _start_agent(self, offer: offers.Offer) -> None:
        """The model first: the task's appearance starts the agent."""
        address = await self.endpoint.listen(self._pod.model_listen, self._agent.root)
        data = encode(task(self._given, offer, address).to_json())
        if len(data) > layout.MAX_TASK:
            raise Permanent(
                f"the task with the conversation so far has {len(data)} bytes, more than {layout.MAX_TASK}",
                hint="give the run a smaller task or fewer turns",
            )
        self._stopping.agent_started = True
        self._agent.root.write_bytes(layout.TASK, data)

    async def _until_result(self) -> bool:
        told = asyncio.create_task(self._stopping.tell(self._agent.root))
        try:
            await asyncio.wait((self._agent.result, told), return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        return self._agent.result.done()

    def _only_this_pod_ends(self) -> bool:
        """An agent that is told to end by its node, because its pod was evicted or deleted, takes that for a cancel. It is none: there is no
        result, and the run goes on in another pod."""
        given_up = self._agent.result.result().reason == Reason.CANCELLED and not self._stopping.run_ends
        if given_up:
            logger.warning("the agent says that it was cancelled, and nobody has cancelled the run: there is no result")
            acknowledge(self._agent.root)  # it need not wait for anything
        return given_up

    async def _finish(self) -> None:
        """What the agent said before its result goes on record before it."""
        await self._progress.drain()
        limit = self._given.plan.limits.result_bytes
        await append_result(self._agent.result.result(), self._record, self._artifacts, limit=limit)
        acknowledge(self._agent.root)
