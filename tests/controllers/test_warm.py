"""Warm pods over a driver that keeps pods in memory: what is tested here is which are kept, not how they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import Availability, ContainerStatus, PodStatus, Sandbox, SandboxContext
from sympozium_core.controllers.agentrun.warm import MAX_PLANS, WarmPods
from sympozium_core.errors import Temporary


class Shelf(Sandbox):
    """Pods are names; `broken` makes starts fail, `ended` is what observe says."""

    promises = frozenset()

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.ended: set[str] = set()
        self.broken = False

    async def check(self) -> Availability:
        return Availability(True, "")

    async def open(self, context: SandboxContext) -> None:
        raise NotImplementedError

    async def start(self, pod_id: str, plan: PodPlan, *, workspace_of: str = "") -> None:
        if self.broken:
            raise Temporary("no room")
        self.there.add(pod_id)

    async def observe(self, pod_id: str) -> PodStatus:
        state = ContainerStatus("ended", 1) if pod_id in self.ended else ContainerStatus("running")
        return PodStatus("running" if pod_id in self.there else "absent", {"agent": state})

    async def stop(self, pod_id: str, *, grace: float) -> None:
        self.there.discard(pod_id)

    async def remove(self, pod_id: str, *, keep_workspace: bool = False) -> None:
        self.there.discard(pod_id)

    async def pods(self) -> list[str]:
        return sorted(self.there)

    async def close(self) -> None:
        self.there.clear()


def plan(name: str) -> PodPlan:
    return PodPlan((Container(name, "agent"),))


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def warm(shelf: Shelf) -> AsyncIterator[WarmPods]:
    pods = WarmPods(shelf, 2)
    yield pods
    await pods.close()
    assert shelf.there == set()


async def settled() -> None:
    """Until everything in the background has had its turns; nothing there waits for the outside."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_pod_is_taken_by_a_run_of_the_very_plan_and_by_one_alone(shelf: Shelf, warm: WarmPods) -> None:
    warm.replenish(plan("a"))
    await settled()
    assert len(shelf.there) == 2
    assert warm.take(plan("b")) is None
    taken = {warm.take(plan("a")), warm.take(plan("a"))}
    assert taken == shelf.there
    assert warm.take(plan("a")) is None
    for pod in taken:
        await shelf.remove(str(pod))


async def test_none_are_kept_where_none_are_wanted(shelf: Shelf) -> None:
    warm = WarmPods(shelf, 0)
    warm.replenish(plan("a"))
    await settled()
    assert shelf.there == set()


async def test_the_plan_least_recently_used_makes_room(shelf: Shelf, warm: WarmPods) -> None:
    for number in range(MAX_PLANS + 1):
        warm.replenish(plan(str(number)))
    await settled()
    assert len(shelf.there) == 2 * MAX_PLANS
    assert warm.take(plan("0")) is None


async def test_a_pod_that_broke_while_it_waited_waits_for_nobody(shelf: Shelf, warm: WarmPods) -> None:
    warm.replenish(plan("a"))
    await settled()
    broken = next(iter(warm.pods))
    shelf.ended.add(broken)
    warm.look_at(broken)
    await settled()
    assert broken not in warm.pods
    assert broken not in shelf.there


async def test_a_start_that_fails_leaves_nothing_to_take(shelf: Shelf, warm: WarmPods) -> None:
    shelf.broken = True
    warm.replenish(plan("a"))
    await settled()
    assert warm.take(plan("a")) is None
