"""The controller in this process, on the real API server, with a sandbox whose pods the test plays itself.

What is tested here is what the core adds to a run beside its pod: rights, network, claims, credentials. Real pods are elsewhere.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from sympozium_core import names
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.bus.journal import Journal
from sympozium_core.clock import SystemClock
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import DEPLOYMENT, EVENT, NAMESPACE
from sympozium_core.contracts.cluster import NotFound, Object, ResourceType, metadata
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import (
    ALL_PROMISES,
    Availability,
    ContainerStatus,
    Feature,
    PodStatus,
    Sandbox,
    SandboxContext,
)
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.network_policies import BusPlace
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.planning.factory import build_run
from sympozium_core.planning.inputs import SandboxFacts
from sympozium_core.processes.plugins import IN_IMAGES, make_directory
from sympozium_core.processes.runs import OnCluster, Parts, carry_out_runs
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.processes.tool_servers import OnThisCluster
from sympozium_core.reconcile.informer import Informer
from sympozium_core.registry.record import Record
from sympozium_core.registry.relay import load_relay
from sympozium_core.resources.kinds import AGENT_RUN, SKILL_PACK, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from sympozium_core.settings import ControllerSettings

WITHIN = 30.0
BUS = BusPlace(4222, names.SYSTEM_NAMESPACE)
Watcher = Callable[[str, PodPlan], Awaitable[None]]


class Counting(ClusterClient):
    """Notes what is written in one namespace and cluster-wide, as ``verb Kind``."""

    writes: list[str]
    namespace_of_interest = ""

    async def create(self, kind: ResourceType, obj: Object, **more: Any) -> Object:
        self._note("create", kind, metadata(obj).get("namespace"))
        return await super().create(kind, obj, **more)

    async def replace(self, kind: ResourceType, obj: Object, **more: Any) -> Object:
        self._note("replace", kind, metadata(obj).get("namespace"))
        return await super().replace(kind, obj, **more)

    async def patch(self, kind: ResourceType, namespace: str | None, *rest: Any, **more: Any) -> Object:
        self._note("patch", kind, namespace)
        return await super().patch(kind, namespace, *rest, **more)

    async def delete(self, kind: ResourceType, namespace: str | None, name: str, **more: Any) -> Object:
        self._note("delete", kind, namespace)
        return await super().delete(kind, namespace, name, **more)

    async def create_subresource(
        self, kind: ResourceType, namespace: str | None, name: str, subresource: str, body: Object
    ) -> Object:
        self._note("create", kind, namespace, f"/{subresource}")
        return await super().create_subresource(kind, namespace, name, subresource, body)

    def _note(self, verb: str, kind: ResourceType, namespace: str | None, subresource: str = "") -> None:
        """The controller looks after every namespace of the cluster, and those of other tests are just going."""
        if namespace in (None, self.namespace_of_interest):
            self.writes.append(f"{verb} {kind.kind}{subresource}")


class PlayedSandbox(Sandbox):
    """Pods are entries in a table; the test says what becomes of them."""

    promises = ALL_PROMISES
    features = frozenset(get_args(Feature))
    keeps_workspace = False

    def __init__(self) -> None:
        self.plans: dict[str, PodPlan] = {}
        self.statuses: dict[str, PodStatus] = {}
        self.at_start = PodStatus("running", {"agent": ContainerStatus("running")})
        self.before_start: Watcher | None = None
        self.before_stop: Callable[[str], Awaitable[None]] | None = None
        self.changed: Callable[[str], None] = lambda pod: None

    async def check(self) -> Availability:
        return Availability(True, "played by a test")

    async def open(self, context: SandboxContext) -> None:
        raise NotImplementedError

    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        if pod_id not in self.plans:
            if self.before_start is not None:
                await self.before_start(pod_id, plan)
            self.plans[pod_id] = plan
            self.statuses[pod_id] = self.at_start

    async def observe(self, pod_id: str) -> PodStatus:
        return self.statuses.get(pod_id, PodStatus("absent"))

    async def stop(self, pod_id: str, *, grace: float) -> None:
        if self.before_stop is not None and pod_id in self.plans:
            await self.before_stop(pod_id)
        self.statuses.pop(pod_id, None)

    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        self.statuses.pop(pod_id, None)

    async def pods(self) -> list[str]:
        return list(self.statuses)

    async def close(self) -> None:
        return None

    def says(self, pod_id: str, status: PodStatus) -> None:
        self.statuses[pod_id] = status
        self.changed(pod_id)


class PlayedPods:
    """Implements `processes.pods.PodHost`."""

    def __init__(self, sandbox: PlayedSandbox) -> None:
        self._sandbox = sandbox

    @asynccontextmanager
    async def open(self, runs: Informer, changed: Callable[[str], None]) -> AsyncIterator[Sandbox]:
        self._sandbox.changed = changed
        yield self._sandbox

    async def revoke(self, pod: str) -> None:
        return None

    async def sweep(self, runs: Informer) -> None:
        return None


class Stage:
    """One namespace's user and its pods at the same time."""

    def __init__(self, cluster: Counting, bus: EmbeddedBus, namespace: str, path: Path) -> None:
        self.cluster, self.bus, self.namespace, self._path = cluster, bus, namespace, path
        self.sandbox = PlayedSandbox()
        self.archives = SkillArchives(frozenset((("sympozium-skill-shell", version("sympozium-skill-shell")),)))
        """Of an image that has the shell."""

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[None]:
        """Works until the block is left; runs stay as they are then, as when it is killed."""
        record, relay = Record.in_directory(self._path), load_relay([])

        async def facts() -> SandboxFacts:
            return SandboxFacts("played", self.sandbox.promises, self.sandbox.features, self.sandbox.keeps_workspace)

        parts = Parts(
            cluster=self.cluster,
            bus=self.bus,
            plans=Plans(self.bus),
            pods=PlayedPods(self.sandbox),
            directory=make_directory(self.cluster, record, facts, relay, IN_IMAGES, self.archives),
            relay=relay,
            providers=None,
            data_dir=self._path,
            clock=SystemClock(),
            settings=ControllerSettings(stop_grace=0.5),
            tool_host=OnThisCluster(names.SYSTEM_NAMESPACE, "registry.example/skill:1"),
            on_cluster=OnCluster(BUS, self.cluster.create_subresource, self.archives),
        )
        async with carry_out_runs(parts):
            yield

    async def apply(self, kind: ResourceType, name: str, spec: Object, namespace: str = "") -> Object:
        meta = {"name": name, "namespace": namespace or self.namespace}
        return await self.cluster.create(kind, {"metadata": meta, "spec": spec})

    async def furnish(self, *, sidecar: Object | None = None, policy: Object | None = None, **spec: Any) -> None:
        """An instance ``agent``; with `sidecar`, it has the skill ``k8s-ops``."""
        if policy is not None:
            await self.apply(SYMPOZIUM_POLICY, "p", policy)
            spec["policyRef"] = "p"
        if sidecar is not None:
            pack = {"skills": [], "sidecar": {"image": "registry.example/k8s-ops:1", **sidecar}}
            await self.apply(SKILL_PACK, "k8s-ops", pack)
            spec.setdefault("skills", ["k8s-ops"])
        provider = {"name": "openai", "model": "m", "apiKeySecret": "key"}
        await self.apply(SYMPOZIUM_INSTANCE, "agent", {"provider": provider, "policyRef": "permissive", **spec})

    async def run(self, task: str = "look", **spec: Any) -> Object:
        """Created; nothing more."""
        return await self.cluster.create(
            AGENT_RUN, build_run("agent", task, namespace=self.namespace, source="test", spec=spec)
        )

    async def running(self, run: Object, attempt: int = 1) -> str:
        """Id of the run's pod, once it is started."""
        pod = f"run-{run['metadata']['uid']}-{attempt}"
        await self.until(lambda: _true(pod in self.sandbox.plans), f"pod {pod} of {await self.status(run)}")
        return pod

    async def status(self, run: Object) -> Object:
        found = await self.cluster.get(AGENT_RUN, self.namespace, run["metadata"]["name"])
        status: Object = found.get("status") or {}
        return status

    async def ended(self, run: Object) -> Object:
        async def cleaned() -> bool:
            return bool((await self.status(run)).get("cleaned"))

        await self.until(cleaned, "the run has ended")
        return await self.status(run)

    async def finish(self, run: Object) -> Object:
        """The agent's part: a result on record."""
        uid = run["metadata"]["uid"]
        subject = subjects.journal(uid, subjects.POD)
        newest = await self.bus.last(subject)
        journal = Journal(self.bus, subject, last=newest.sequence if newest else 0, attempt=1)
        await journal.append({"type": "result", "status": "success", "reason": "Completed", "response": "done", "size": 4})
        return await self.ended(run)

    async def ask(self, run: Object, what: str, pod: str) -> Object:
        """As the pod's bridge asks."""
        subject = subjects.request(run["metadata"]["uid"], what)
        answer = await call_once(self.bus, subject, json.dumps({"pod": pod}).encode(), deadline=time.time() + WITHIN)
        told: Object = json.loads(answer)
        return told

    async def exists(self, kind: ResourceType, name: str, namespace: str | None = "") -> bool:
        try:
            await self.cluster.get(kind, self.namespace if namespace == "" else namespace, name)
        except NotFound:
            return False
        return True

    async def events(self) -> list[str]:
        found = await self.cluster.list(EVENT, self.namespace)
        return [f"{each['reason']}: {each['message']}" for each in found.items]

    async def until(self, holds: Callable[[], Awaitable[Any]], what: str, within: float = WITHIN) -> None:
        end = time.monotonic() + within
        while not await holds():
            assert time.monotonic() < end, f"not within {within:g} s: {what}"
            await asyncio.sleep(0.05)

    async def make_namespace(self, name: str) -> None:
        await self.cluster.create(NAMESPACE, {"metadata": {"name": name}})


async def _true(value: bool) -> bool:
    return value


@asynccontextmanager
async def stage(kubeconfig: Path, namespace: str, path: Path) -> AsyncIterator[Stage]:
    """Without its controller yet. Fails where another controller is at work."""
    async with AsyncExitStack() as stack:
        stack.callback(_collect_half_open)
        cluster = Counting.from_kubeconfig(kubeconfig)
        cluster.writes, cluster.namespace_of_interest = [], namespace
        stack.push_async_callback(cluster.close)
        for deployment in (await cluster.list(DEPLOYMENT, names.SYSTEM_NAMESPACE)).items:
            replicas = deployment["spec"].get("replicas")
            assert not replicas, "these tests play the controller: Sympozium may not be installed on the cluster"
        bus = await EmbeddedBus.open(path / "bus")
        stack.push_async_callback(bus.close)
        yield Stage(cluster, bus, namespace, path)


def _collect_half_open() -> None:
    """A connection whose task is cancelled in its TLS handshake, as when a controller is ended in the middle, is closed by the collector alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
