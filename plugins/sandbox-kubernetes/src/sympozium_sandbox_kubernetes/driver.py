"""The driver `kubernetes`: every pod is a Job with one Pod. It outlives this process; another one goes on with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import ClassVar, NamedTuple

from sympozium_core.contracts.builtin_kinds import POD
from sympozium_core.contracts.cluster import Object, metadata
from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import (
    ALL_PROMISES,
    Availability,
    ContainerStatus,
    Feature,
    PodStatus,
    Promise,
    Sandbox,
    SandboxContext,
)
from sympozium_core.errors import Permanent, SympoziumError, Temporary
from sympozium_sandbox_kubernetes import presence
from sympozium_sandbox_kubernetes.addresses import BusLookup
from sympozium_sandbox_kubernetes.checks import check_plan, check_pod_id, is_label
from sympozium_sandbox_kubernetes.job import render
from sympozium_sandbox_kubernetes.jobs import OF_RUNS, SHORTEST_GRACE, Jobs
from sympozium_sandbox_kubernetes.settings import Settings
from sympozium_sandbox_kubernetes.slow import Slow
from sympozium_sandbox_kubernetes.watched import Place, Watched

MOST_REMOVED = 4096
"""Removed pods that are remembered in case that one comes up late."""

log = logging.getLogger(__name__)


class _Open(NamedTuple):
    """What there is from `open` to `close`."""

    context: SandboxContext
    settings: Settings
    bus: BusLookup
    watched: Watched
    jobs: Jobs
    slow: Slow
    stack: AsyncExitStack


class KubernetesSandbox(Sandbox):
    """Needs a controller that runs in a cluster, or that is handed one."""

    promises: ClassVar[frozenset[Promise]] = ALL_PROMISES
    features: ClassVar[frozenset[Feature]] = frozenset(
        ("images", "identities", "runtime-classes", "egress", "secrets", "node-selection", "claims", "host-access", "memory")
    )
    keeps_workspace: ClassVar[bool] = False

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._namespaces: dict[str, str] = {}
        """Of the pods that were started here, by id."""
        self._removed: dict[Place, set[str]] = {}
        """With the UIDs of the Pods there that were told to end: the watch says so of them a little later."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def check(self) -> Availability:
        return await presence.look()

    async def open(self, context: SandboxContext) -> None:
        if context.cluster is None or context.follow is None:
            raise Permanent("this driver needs a cluster", hint="it is for controllers that `sympozium install` brings there")
        settings = Settings.from_environment()
        watched = Watched(self._changed)
        slow = Slow(context.cluster, self._names_of, self._tell)
        bus = BusLookup(context.cluster, context.bus_address, context.bus_ca)
        async with AsyncExitStack() as stack:
            self._open = _Open(context, settings, bus, watched, Jobs(context.cluster, watched), slow, stack)
            try:
                await stack.enter_async_context(context.follow(POD, watched.told, labels=OF_RUNS))
            except BaseException:
                self._open = None
                raise
            self._open = self._open._replace(stack=stack.pop_all())
        self._spawn(slow.run())

    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        opened = self._opened()
        check_pod_id(pod_id)
        check_plan(plan, opened.settings)
        job = render(pod_id, plan, await opened.bus.find(), opened.settings)
        place = Place(plan.namespace, pod_id)
        self._namespaces[pod_id] = plan.namespace
        if opened.watched.status(place) is None:
            opened.slow.expect(place, tuple(each.name for each in plan.containers))
        try:
            await opened.jobs.create(job)
        except BaseException:
            opened.slow.forget(place)
            self._namespaces.pop(pod_id, None)
            raise
        opened.context.changed(pod_id)

    async def observe(self, pod_id: str) -> PodStatus:
        opened = self._opened()
        for place in await self._places(pod_id):
            if place in self._removed:
                continue
            status = opened.watched.status(place) or self._expected(place) or await self._by_job(place)
            if status.state == "starting" and not status.message:
                status = replace(status, message=opened.slow.message(place))
            pod = opened.watched.pod(place)
            return status if pod is None else replace(status, name=metadata(pod)["name"])
        return PodStatus("absent")

    async def stop(self, pod_id: str, *, grace: float) -> None:
        opened = self._opened()
        for place in await self._places(pod_id):
            opened.watched.claim(place)
            if opened.watched.status(place) is None:
                # Perhaps it was never made, perhaps it is being made: now no other one will be.
                await opened.jobs.delete(place)
                await opened.jobs.look_for_pods(place)
            opened.slow.forget(place)
            await opened.jobs.end_pods(place, grace)

    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        opened = self._opened()
        for place in await self._places(pod_id):
            opened.watched.claim(place)
            opened.slow.forget(place)
            # Before the Job: behind it the Pod would be deleted with all of its own grace, which no later word shortens.
            alive = opened.watched.alive(place)
            await opened.jobs.tell_to_end(place, alive, SHORTEST_GRACE)
            await opened.jobs.delete(place)
            self._bury(place, {str(metadata(pod)["uid"]) for pod in alive})
        self._namespaces.pop(pod_id, None)

    async def pods(self) -> list[str]:
        opened = self._opened()
        found = {*await opened.jobs.places(), *opened.watched.places()}
        return sorted({place.pod_id for place in found if place not in self._removed})

    async def close(self) -> None:
        """Every pod lives on: it needs no controller until it has a result."""
        opened, self._open = self._open, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if opened is not None:
            await opened.stack.aclose()

    # Where a pod is, and what is known of one that has no Pod

    async def _places(self, pod_id: str) -> list[Place]:
        """One, where somebody knows where the pod belongs; else wherever its name is found."""
        opened = self._opened()
        namespace = self._namespaces.get(pod_id) or opened.context.namespace_of(pod_id)
        if namespace:
            return [Place(namespace, pod_id)]
        if not is_label(pod_id):
            return []
        seen = [place for place in opened.watched.places() if place.pod_id == pod_id]
        return sorted({*seen, *await opened.jobs.places(pod_id)})

    def _expected(self, place: Place) -> PodStatus | None:
        containers = self._opened().slow.containers(place)
        return None if containers is None else PodStatus("starting", dict.fromkeys(containers, ContainerStatus("waiting")))

    async def _by_job(self, place: Place) -> PodStatus:
        """Of a pod that was never seen here: it is to come, or it went while nobody looked."""
        job = await self._opened().jobs.find(place)
        if job is None:
            return PodStatus("absent")
        containers = _names_in(job)
        finished = [
            each for each in (job.get("status") or {}).get("conditions") or () if each.get("type") in ("Complete", "Failed")
        ]
        if finished or metadata(job).get("deletionTimestamp"):
            gone = ContainerStatus("ended", -9, message="ended with its pod")
            return PodStatus(
                "ended", dict.fromkeys(containers, gone), lost=True, message="Deleted: the pod is not there any more"
            )
        self._opened().slow.expect(place, containers)
        return PodStatus("starting", dict.fromkeys(containers, ContainerStatus("waiting")))

    def _names_of(self, place: Place) -> tuple[str, ...]:
        """Whose Events may tell why the pod does not start."""
        opened = self._opened()
        status, pod = opened.watched.status(place), opened.watched.pod(place)
        if status is None or pod is None:
            return (place.pod_id,)
        return (metadata(pod)["name"],) if status.state == "starting" and not status.message else ()

    # What the watch tells

    def _changed(self, place: Place) -> None:
        opened = self._opened()
        status = opened.watched.status(place)
        if place in self._removed:
            self._see_to_removed(place)
            return
        if status is not None and status.state != "starting":
            opened.slow.forget(place)
        self._tell(place)

    def _tell(self, place: Place) -> None:
        opened = self._opened()
        known = self._namespaces.get(place.pod_id) or opened.context.namespace_of(place.pod_id)
        if known in ("", place.namespace):
            opened.context.changed(place.pod_id)

    def _bury(self, place: Place, told: set[str]) -> None:
        self._removed[place] = told
        while len(self._removed) > MOST_REMOVED:
            del self._removed[next(iter(self._removed))]
        self._see_to_removed(place)

    def _see_to_removed(self, place: Place) -> None:
        opened = self._opened()
        told = self._removed[place]
        alive = [pod for pod in opened.watched.alive(place) if not metadata(pod).get("deletionTimestamp")]
        late = [pod for pod in alive if metadata(pod)["uid"] not in told]
        if late:
            told.update(metadata(pod)["uid"] for pod in late)
            self._spawn(opened.jobs.tell_to_end(place, late, SHORTEST_GRACE))
        elif opened.watched.pod(place) is None:
            opened.watched.forget(place)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            known = isinstance(error, SympoziumError)
            log.warning("%s", error if known else "a task of the sandbox failed", exc_info=None if known else error)

    def _opened(self) -> _Open:
        if self._open is None:
            raise Temporary("the sandbox is not open", hint="it is opened when the controller starts")
        return self._open


def _names_in(job: Object) -> tuple[str, ...]:
    spec = job["spec"]["template"]["spec"]
    return tuple(str(each["name"]) for group in ("containers", "initContainers") for each in spec.get(group) or ())
