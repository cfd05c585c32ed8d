"""The controller on a real store: level-triggered, one call a key at a time, each outcome its own treatment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from typing import Any

import pytest

from sympozium_core.backoff import BackOff
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import Conflict, Unavailable, metadata
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.reconcile.controller import DONE, Controller, Options, Result, Source
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.owner import owner_keys, owner_reference
from sympozium_core.resources.kinds import SYMPOZIUM_SCHEDULE

QUICK = BackOff(first=0.002, longest=0.01)


def config(name: str, value: str = "", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", **meta}, "data": {"value": value}}


class Calls:
    """A reconcile that notes its keys and does as it is told, by name and by turn."""

    def __init__(self, **outcomes: list[Any]) -> None:
        self.keys: list[Key] = []
        self.outcomes = outcomes

    def count(self, name: str) -> int:
        return Counter(key.name for key in self.keys)[name]

    async def __call__(self, key: Key) -> Result:
        self.keys.append(key)
        turns = self.outcomes.get(key.name, [])
        outcome = turns.pop(0) if turns else DONE
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Result)
        return outcome


@pytest.fixture
def start(cluster: Any, background: Any) -> Any:
    def started(reconcile: Any, **options: Any) -> Controller:
        informer = Informer(cluster, CONFIG_MAP)
        controller = Controller("test", informer, reconcile, options=Options(**{"back_off": QUICK, **options}))
        background(informer.run())
        background(controller.run())
        return controller

    return started


async def test_what_exists_and_what_comes_is_reconciled(cluster: Any, start: Any, until: Any) -> None:
    await cluster.create(CONFIG_MAP, config("old"))
    calls = Calls()
    controller = start(calls)
    await until(lambda: calls.keys == [Key("default", "old")])
    await cluster.create(CONFIG_MAP, config("new"))
    await until(lambda: calls.count("new") == 1)
    await cluster.delete(CONFIG_MAP, "default", "old")
    await until(lambda: calls.count("old") == 2)
    await controller.queue.join()
    assert (controller.counts.reconciles, controller.counts.done) == (3, 3)


async def test_comes_again_when_it_asks_to(cluster: Any, start: Any, until: Any) -> None:
    calls = Calls(a=[Result(requeue_after=0.005), Result(requeue_after=0.005)])
    start(calls)
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: calls.count("a") == 3)


@pytest.mark.parametrize(
    ("outcome", "counter"),
    [
        (Temporary("wait", after=0.005), "temporary"),
        (Temporary("wait"), "temporary"),
        (Unavailable("away"), "temporary"),
        (Conflict("moved on"), "conflicts"),
    ],
)
async def test_what_may_help_is_tried_again_without_a_traceback(
    cluster: Any, start: Any, until: Any, caplog: pytest.LogCaptureFixture, outcome: Exception, counter: str
) -> None:
    calls = Calls(a=[outcome, outcome, outcome])
    controller = start(calls)
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: controller.counts.done == 1)
    assert calls.count("a") == 4
    assert getattr(controller.counts, counter) == 3
    assert controller.queue.failures(Key("default", "a")) == 0
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_bug_is_logged_with_its_traceback_and_tried_again(
    cluster: Any, start: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    calls = Calls(a=[ZeroDivisionError("oh"), KeyError("x")])
    controller = start(calls)
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: controller.counts.done == 1)
    assert controller.counts.failures == 2
    logged = [record for record in caplog.records if record.exc_info and record.levelno == logging.ERROR]
    assert len(logged) == 2
    assert "default/a" in logged[0].getMessage()


async def test_what_is_permanent_is_recorded_and_left_alone_until_it_changes(cluster: Any, start: Any, until: Any) -> None:
    gave_up: list[tuple[Key, str]] = []

    async def record(key: Key, error: Permanent) -> None:
        gave_up.append((key, error.message))

    calls = Calls(a=[Result(requeue_after=0.03), Permanent("never")])
    controller = start(calls, gave_up=record)
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: calls.count("a") == 1)
    controller.enqueue(Key("default", "a"))
    await until(lambda: gave_up)
    assert gave_up == [(Key("default", "a"), "never")]
    assert controller.queue.delayed == 0
    await cluster.patch(CONFIG_MAP, "default", "a", {"data": {"value": "2"}})
    await until(lambda: controller.counts.done == 2)
    assert calls.count("a") == 3


async def test_recording_that_fails_is_tried_again(cluster: Any, start: Any, until: Any) -> None:
    problems: list[Exception] = [Conflict("moved on"), Unavailable("away"), RuntimeError("bug")]
    recorded: list[Key] = []

    async def record(key: Key, error: Permanent) -> None:
        if problems:
            raise problems.pop(0)
        recorded.append(key)

    calls = Calls(a=[Permanent("never")] * 4)
    start(calls, gave_up=record)
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: recorded)
    assert calls.count("a") == 4


async def test_one_call_a_key_at_a_time_and_no_change_is_missed(cluster: Any, start: Any, until: Any) -> None:
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    seen: dict[str, str] = {}
    together = 0

    async def reconcile(key: Key) -> Result:
        nonlocal together
        running[key.name] += 1
        most[key.name] = max(most[key.name], running[key.name])
        together = max(together, sum(running.values()))
        obj = await cluster.get(CONFIG_MAP, key.namespace, key.name)
        await asyncio.sleep(0.001)
        seen[key.name] = obj["data"]["value"]
        running[key.name] -= 1
        return DONE

    controller = start(reconcile)
    for number in range(5):
        await cluster.create(CONFIG_MAP, config(f"c{number}"))
    for value in range(20):
        for number in range(5):
            await cluster.patch(CONFIG_MAP, "default", f"c{number}", {"data": {"value": str(value)}})
    await until(lambda: seen == {f"c{number}": "19" for number in range(5)})
    await controller.queue.join()
    assert set(most.values()) == {1}
    assert together > 1


async def test_changes_of_other_kinds_wake_it_before_and_after(cluster: Any, background: Any, until: Any) -> None:
    schedules, configs = Informer(cluster, SYMPOZIUM_SCHEDULE), Informer(cluster, CONFIG_MAP)
    calls = Calls()
    controller = Controller("test", schedules, calls, sources=[Source(configs, owner_keys(SYMPOZIUM_SCHEDULE))])
    for each in (schedules, configs, controller):
        background(each.run())
    first = await cluster.create(SYMPOZIUM_SCHEDULE, {"metadata": {"name": "first", "namespace": "default"}, "spec": {}})
    second = await cluster.create(SYMPOZIUM_SCHEDULE, {"metadata": {"name": "second", "namespace": "default"}, "spec": {}})
    await until(lambda: len(calls.keys) == 2)
    owned = config("owned", ownerReferences=[owner_reference(SYMPOZIUM_SCHEDULE, first)])
    await cluster.create(CONFIG_MAP, owned)
    await cluster.create(CONFIG_MAP, config("nobodys"))
    await until(lambda: calls.count("first") == 2)
    references = [owner_reference(SYMPOZIUM_SCHEDULE, second)]
    await cluster.patch(CONFIG_MAP, "default", "owned", {"metadata": {"ownerReferences": references}})
    await until(lambda: (calls.count("first"), calls.count("second")) == (3, 2))
    assert set(calls.keys) == {Key("default", "first"), Key("default", "second")}


async def test_changes_of_other_kinds_settle(cluster: Any, background: Any, until: Any) -> None:
    schedules, configs = Informer(cluster, SYMPOZIUM_SCHEDULE), Informer(cluster, CONFIG_MAP)
    calls = Calls()
    sources = [Source(configs, owner_keys(SYMPOZIUM_SCHEDULE))]
    controller = Controller("test", schedules, calls, sources=sources, options=Options(settle=0.5))
    for each in (schedules, configs, controller):
        background(each.run())
    owner = await cluster.create(SYMPOZIUM_SCHEDULE, {"metadata": {"name": "one", "namespace": "default"}, "spec": {}})
    await until(lambda: calls.count("one") == 1)
    began = time.monotonic()
    for number in range(10):
        await cluster.create(
            CONFIG_MAP, config(f"owned-{number}", ownerReferences=[owner_reference(SYMPOZIUM_SCHEDULE, owner)])
        )
    await until(lambda: len(configs.cache) == 10)
    await until(lambda: calls.count("one") > 1)
    await until(lambda: controller.queue.delayed == 0)
    await controller.queue.join()
    assert calls.count("one") < min(10, 3 + (time.monotonic() - began) / 0.5), "once for many of them, not once for each"


async def test_changes_that_do_not_concern_it_are_passed_over(cluster: Any, start: Any, until: Any) -> None:
    calls = Calls()
    start(calls, concerns=lambda old, new: old is None or new is None or old["data"] != new["data"])
    await cluster.create(CONFIG_MAP, config("a"))
    await until(lambda: calls.count("a") == 1)
    await cluster.patch(CONFIG_MAP, "default", "a", {"metadata": {"labels": {"x": "y"}}})
    await cluster.create(CONFIG_MAP, config("b"))
    await until(lambda: calls.count("b") == 1)
    assert calls.count("a") == 1


async def test_waits_for_every_cache_before_it_works(cluster: Any, line: Any, background: Any, until: Any) -> None:
    await cluster.create(CONFIG_MAP, config("a"))
    line.cut()
    mine, other = Informer(cluster, CONFIG_MAP), Informer(line, SYMPOZIUM_SCHEDULE, back_off=QUICK)
    calls = Calls()
    controller = Controller("test", mine, calls, sources=[Source(other, lambda obj: [])])
    for each in (mine, other, controller):
        background(each.run())
    await until(lambda: len(controller.queue) == 1 and other.problem)
    assert calls.keys == []
    line.mend()
    await until(lambda: calls.keys)


async def test_stopping_lets_what_is_in_progress_end_and_begins_nothing(cluster: Any, background: Any, until: Any) -> None:
    begun: list[str] = []
    ended: list[str] = []
    may_end = asyncio.Event()

    async def reconcile(key: Key) -> Result:
        begun.append(key.name)
        await may_end.wait()
        ended.append(key.name)
        return DONE

    for number in range(5):
        await cluster.create(CONFIG_MAP, config(f"c{number}"))
    informer = Informer(cluster, CONFIG_MAP)
    controller = Controller("test", informer, reconcile, options=Options(workers=2))
    background(informer.run())
    running = background(controller.run())
    await until(lambda: len(begun) == 2)
    running.cancel()
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.wait((running,), timeout=5)
    assert running.cancelled()
    assert sorted(ended) == sorted(begun) == ["c0", "c1"]


async def test_stopping_cancels_what_does_not_end_in_time(cluster: Any, background: Any, until: Any) -> None:
    states: list[str] = []

    async def reconcile(key: Key) -> Result:
        states.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            states.append("cancelled")
        return DONE

    await cluster.create(CONFIG_MAP, config("a"))
    informer = Informer(cluster, CONFIG_MAP)
    controller = Controller("test", informer, reconcile, options=Options(drain=0.01))
    background(informer.run())
    running = background(controller.run())
    await until(lambda: states)
    running.cancel()
    await asyncio.wait((running,), timeout=5)
    assert states == ["begun", "cancelled"]
    await cluster.create(CONFIG_MAP, config("b"))
    await informer.wait_until(metadata(await cluster.get(CONFIG_MAP, "default", "b"))["resourceVersion"])
    assert len(controller.queue) == 0
