"""Warm pods: started before their run is known, because nothing of a run is in a pod's making. One claims its pod by writing its id.

Which pods to keep is learnt from use: the plans of the newest runs, told apart by their digest, each with as many pods as are wanted.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Coroutine

from sympozium_core.contracts.plan import PodPlan
from sympozium_core.contracts.sandbox import Sandbox
from sympozium_core.errors import SympoziumError

log = logging.getLogger(__name__)

MAX_PLANS = 4
"""Kinds of pod that are kept warm at once; the one least recently used goes first."""


class WarmPods:
    """For one event loop. With `wanted` 0 it keeps none and costs nothing."""

    def __init__(self, sandbox: Sandbox, wanted: int) -> None:
        self._sandbox, self._wanted = sandbox, wanted
        self._waiting: OrderedDict[str, list[str]] = OrderedDict()
        self._plans: dict[str, PodPlan] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pods(self) -> frozenset[str]:
        """Ids of all that wait."""
        return frozenset(pod for pods in self._waiting.values() for pod in pods)

    @property
    def plans(self) -> list[PodPlan]:
        """Of all that wait."""
        return [self._plans[digest] for digest, pods in self._waiting.items() if pods]

    def take(self, plan: PodPlan) -> str | None:
        """A waiting pod of this very plan, which is the caller's from now on; None when there is none."""
        pods = self._waiting.get(plan.digest)
        return pods.pop(0) if pods else None

    def replenish(self, plan: PodPlan) -> None:
        """Sees to it, in the background, that pods of this plan wait; to be called when a run of it has started."""
        if self._wanted == 0:
            return
        pods = self._waiting.setdefault(plan.digest, [])
        self._plans[plan.digest] = plan
        self._waiting.move_to_end(plan.digest)
        while len(self._waiting) > MAX_PLANS:
            digest, surplus = self._waiting.popitem(last=False)
            del self._plans[digest]
            for pod in surplus:
                self._spawn(self._remove(pod))
        missing = self._wanted - len(pods)
        for _ in range(missing):
            pod = f"warm-{secrets.token_hex(8)}"
            pods.append(pod)
            self._spawn(self._start(pod, plan))

    def look_at(self, pod: str) -> None:
        """The driver saw something happen to a waiting pod: one that is broken waits for nobody."""
        self._spawn(self._drop_if_broken(pod))

    async def close(self) -> None:
        """Removes every waiting pod."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pod in self.pods:
            await self._sandbox.remove(pod)
        self._waiting.clear()

    async def _start(self, pod: str, plan: PodPlan) -> None:
        try:
            await self._sandbox.start(pod, plan)
        except SympoziumError as error:
            log.warning("cannot keep a pod warm: %s", error)
            self._drop(pod)

    async def _drop_if_broken(self, pod: str) -> None:
        found = await self._sandbox.observe(pod)
        if found.state in ("ended", "absent") or any(container.state == "ended" for container in found.containers.values()):
            self._drop(pod)

    def _drop(self, pod: str) -> None:
        for pods in self._waiting.values():
            if pod in pods:
                pods.remove(pod)
                self._spawn(self._remove(pod))

    async def _remove(self, pod: str) -> None:
        try:
            await self._sandbox.remove(pod)
        except SympoziumError as error:
            log.warning("cannot remove warm pod %s: %s; the next sweep will", pod, error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
