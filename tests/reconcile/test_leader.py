"""Leader election on a real store, in compressed time: somebody leads, never two."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import LEASE
from sympozium_core.contracts.cluster import metadata
from sympozium_core.reconcile.leader import Elector, LostLeadership, Timing

QUICK = Timing(lease=1.0, renew_deadline=0.4, retry=0.03)


class Leading:
    """What the electors' work notes: who works now, and whether two ever did."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.history: list[str] = []
        self.together: list[list[str]] = []

    def work(self, name: str, until: asyncio.Event | None = None) -> Callable[[], Any]:
        async def working() -> None:
            self.now.append(name)
            self.history.append(name)
            if len(self.now) > 1:
                self.together.append(list(self.now))
            try:
                await (until or asyncio.Event()).wait()
            finally:
                self.now.remove(name)

        return working


def elector(cluster: Any, name: str, **options: Any) -> Elector:
    return Elector(cluster, "default", "controller", name, **{"timing": QUICK, **options})


async def lease(cluster: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await cluster.get(LEASE, "default", "controller"))["spec"]
    return found


async def test_one_leads_and_gives_the_lease_back_when_its_work_is_done(cluster: Any, until: Any) -> None:
    leading, enough = Leading(), asyncio.Event()
    one = elector(cluster, "one")
    task = asyncio.ensure_future(one.lead(leading.work("one", enough)))
    await until(lambda: leading.now == ["one"])
    assert one.is_leader()
    spec = await lease(cluster)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("one", 1, 0)
    enough.set()
    await asyncio.wait_for(task, 5)
    assert not one.is_leader()
    assert (await lease(cluster))["holderIdentity"] == ""


async def test_the_next_leads_at_once_when_the_first_is_stopped(cluster: Any, background: Any, until: Any) -> None:
    leading = Leading()
    slow = Timing(lease=30, renew_deadline=20, retry=0.02)
    one, two = elector(cluster, "one", timing=slow), elector(cluster, "two", timing=slow)
    first = background(one.lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    background(two.lead(leading.work("two")))
    await until(lambda: two.holder == "one")
    first.cancel()
    await until(lambda: leading.now == ["two"])
    spec = await lease(cluster)
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two", 1)
    assert leading.together == []


async def test_renews_for_longer_than_the_lease_lasts(cluster: Any, background: Any, until: Any) -> None:
    leading = Leading()
    background(elector(cluster, "one").lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    background(elector(cluster, "two").lead(leading.work("two")))
    began = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > began + 1.5)
    assert leading.history == ["one"]


async def test_one_that_is_cut_off_stops_before_the_next_begins(
    cluster: Any, make_line: Any, background: Any, until: Any
) -> None:
    leading = Leading()
    line = make_line(cluster)
    one = elector(line, "one")
    first = background(one.lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    background(elector(cluster, "two").lead(leading.work("two")))
    line.cut()
    await until(lambda: not leading.now)
    assert not one.is_leader()
    assert (await lease(cluster))["holderIdentity"] == "one"
    with pytest.raises(LostLeadership, match="one could not renew default/controller: the line is cut"):
        await first
    await until(lambda: leading.now == ["two"])
    assert leading.together == []


async def test_one_whose_lease_was_taken_stops(cluster: Any, background: Any, until: Any) -> None:
    leading = Leading()
    first = background(elector(cluster, "one").lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    await cluster.patch(LEASE, "default", "controller", {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 100}})
    with pytest.raises(LostLeadership, match="usurper has it"):
        await asyncio.wait_for(first, 5)
    assert leading.now == []
    assert (await lease(cluster))["holderIdentity"] == "usurper"


class Overtaken:
    """Passes every call on, and lets somebody else take the Lease right after it was read, when `ready` says so."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.ready: Callable[[dict[str, Any]], bool] = lambda lease: False
        self.taken = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    async def get(self, *address: Any) -> dict[str, Any]:
        found: dict[str, Any] = await self._cluster.get(*address)
        if not self.taken.is_set() and self.ready(found):
            self.taken.set()
            await self._cluster.patch(*address, {"spec": {"holderIdentity": "faster", "leaseDurationSeconds": 100}})
        return found


@pytest.mark.parametrize("moment", ["taking", "renewing", "releasing"])
async def test_a_lease_taken_between_reading_and_writing_is_left_to_who_was_faster(
    cluster: Any, background: Any, until: Any, moment: str
) -> None:
    leading, enough, line = Leading(), asyncio.Event(), Overtaken(cluster)
    slow = Timing(lease=30, renew_deadline=20, retry=10)  # no renewal comes before the release
    one = elector(line, "one", timing=slow if moment == "releasing" else QUICK)
    if moment == "taking":
        await cluster.create(
            LEASE, {"metadata": {"name": "controller", "namespace": "default"}, "spec": {"holderIdentity": ""}}
        )
        line.ready = lambda lease: True
    standing = background(one.lead(leading.work("one", enough)))
    if moment != "taking":
        await until(lambda: leading.now == ["one"])
        line.ready = lambda lease: True
    if moment == "releasing":
        enough.set()
    await asyncio.wait_for(line.taken.wait(), 5)
    if moment == "renewing":
        with pytest.raises(LostLeadership, match="faster has it"):
            await asyncio.wait_for(standing, 5)
    elif moment == "releasing":
        await asyncio.wait_for(standing, 5)
    else:
        await until(lambda: one.holder == "faster")
        assert leading.history == []
    assert (await lease(cluster))["holderIdentity"] == "faster"


async def test_a_clock_that_is_wrong_by_years_changes_nothing(cluster: Any, background: Any, until: Any) -> None:
    class Wrong:
        def now(self) -> float:
            return 4_000_000_000.0

        def monotonic(self) -> float:
            return 0.0

    leading = Leading()
    background(elector(cluster, "one").lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    two = elector(cluster, "two", clock=Wrong())
    second = background(two.lead(leading.work("two")))
    began = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > began + 1.2)
    assert leading.history == ["one"]
    second.cancel()


async def test_a_machine_that_slept_knows_that_it_does_not_lead_any_more(cluster: Any, background: Any, until: Any) -> None:
    leading = Leading()
    asleep = 0.0
    loop = asyncio.get_running_loop()
    one = elector(cluster, "one", elapsed=lambda: loop.time() + asleep)
    background(one.lead(leading.work("one")))
    await until(one.is_leader)
    asleep = 3600.0
    assert not one.is_leader()


async def test_a_longer_lease_of_the_holder_is_respected(cluster: Any, background: Any, until: Any) -> None:
    leading = Leading()
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 2}
    await cluster.create(LEASE, {"metadata": {"name": "controller", "namespace": "default"}, "spec": spec})
    began = asyncio.get_running_loop().time()
    background(elector(cluster, "one").lead(leading.work("one")))
    await until(lambda: leading.now == ["one"])
    assert asyncio.get_running_loop().time() - began >= 2.0


async def test_never_two_whatever_is_cut(cluster: Any, make_line: Any, background: Any, until: Any) -> None:
    """Three electors that stand again whenever they lose, each cut off now and then."""
    timing = Timing(lease=1.0, renew_deadline=0.15, retry=0.02)
    leading = Leading()
    lines = [make_line(cluster) for _ in range(3)]

    async def stand(name: str, line: Any) -> None:
        while True:
            try:
                await elector(line, name, timing=timing).lead(leading.work(name))
            except LostLeadership:
                continue

    for number, line in enumerate(lines):
        background(stand(f"e{number}", line))
    chance = random.Random(7)
    for _ in range(3):
        await until(lambda: leading.now)
        leader = int(leading.now[0][1])
        before = len(leading.history)
        lines[leader].cut()
        if chance.random() < 0.5:
            lines[(leader + 1) % 3].cut()
        await until(lambda before=before: len(leading.history) > before)
        for line in lines:
            line.mend()
    assert leading.together == []
    assert len(set(leading.history)) > 1


async def test_work_that_fails_fails_and_releases(cluster: Any) -> None:
    async def fail() -> None:
        raise RuntimeError("broken work")

    with pytest.raises(RuntimeError, match="broken work"):
        await asyncio.wait_for(elector(cluster, "one").lead(fail), 5)
    found = await cluster.get(LEASE, "default", "controller")
    assert found["spec"]["holderIdentity"] == ""
    assert metadata(found)["name"] == "controller"


@pytest.mark.parametrize("wrong", [(1, 1, 0.1), (2, 1, 1), (3, 2, 0), (1, 2, 0.5)])
def test_timing_that_could_let_two_lead_is_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="lease must be longer"):
        Timing(*wrong)
