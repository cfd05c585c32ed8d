"""Who may start, who waits and where, on a cache as the informer of runs keeps it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sympozium_core.controllers.agentrun import line, phases
from sympozium_core.controllers.agentrun.context import INDEXES, RunContext
from sympozium_core.controllers.agentrun.line import Line, position
from sympozium_core.names import LABEL_INSTANCE
from sympozium_core.reconcile.cache import Cache
from sympozium_core.reconcile.key import Key

Run = dict[str, Any]


def run(number: int, phase: str = "Queued", *, agent: str = "a", limit: int | None = None, pod: str = "") -> Run:
    metadata = {
        "name": f"r{number}",
        "namespace": "default",
        "uid": f"u{number:04}",
        "generation": 1,
        "creationTimestamp": f"2026-01-01T00:00:{number % 60:02}Z",
        "labels": {LABEL_INSTANCE: agent},
    }
    status: dict[str, Any] = {"phase": phase} if phase else {}
    if pod:
        status["pod"] = pod
    if limit is not None:
        status["effectivePolicy"] = {"maxConcurrent": limit}
    return {"metadata": metadata, "status": status}


class Side:
    """What of a `RunContext` the line looks at."""

    def __init__(self, places: int, *runs: Run) -> None:
        self.cache = Cache(INDEXES)
        for each in runs:
            self.cache.put(each)
        self.left_alone: set[str] = set()
        self.asked: list[str] = []
        looked_at: Any = SimpleNamespace(
            runs=SimpleNamespace(cache=self.cache),
            claiming=set[str](),
            settings=SimpleNamespace(max_concurrent_runs=places),
            is_ours=lambda run: run["metadata"]["uid"] not in self.left_alone,
        )
        self.context = cast(RunContext, looked_at)
        self.line = Line(self.context, self._asked)

    def _asked(self, key: Key) -> None:
        self.asked.append(key.name)

    def positions(self, *runs: Run) -> list[int]:
        return [position(self.context, each) for each in runs]

    def ends(self, old: Run) -> None:
        new = {**old, "status": {**old["status"], "phase": "Succeeded"}}
        self.cache.put(new)
        self.line.changed(old, new)


PLACED = run(0, "Running", pod="p0")
WAITING = [run(number) for number in range(1, 5)]


def test_with_room_for_all_nobody_waits() -> None:
    side = Side(5, PLACED, *WAITING)
    assert side.positions(*WAITING) == [0, 0, 0, 0]


def test_with_less_they_start_by_age() -> None:
    side = Side(3, PLACED, *WAITING)
    assert side.positions(*WAITING) == [0, 0, 1, 2]
    assert side.positions(*reversed(WAITING)) == [2, 1, 0, 0]


def test_what_is_being_claimed_counts_before_the_cache_says_so() -> None:
    side = Side(3, PLACED, *WAITING)
    side.context.claiming.add("u0001")
    assert side.positions(*WAITING[1:]) == [0, 1, 2]
    side.context.claiming.add("u0002")
    assert side.positions(*WAITING[2:]) == [1, 2]


def test_an_instance_at_its_limit_holds_up_only_itself() -> None:
    narrow = [run(number, agent="narrow", limit=1) for number in (1, 2, 3)]
    wide = [run(number, limit=10) for number in (4, 5)]
    side = Side(10, run(0, "Running", agent="narrow", limit=1, pod="p0"), *narrow, *wide)
    assert side.positions(*narrow, *wide) == [1, 2, 3, 0, 0]
    side = Side(3, *narrow, *wide)
    assert side.positions(*narrow, *wide) == [0, 1, 2, 0, 0]


def test_what_another_process_looks_after_takes_no_place_here() -> None:
    side = Side(1, PLACED, *WAITING)
    assert side.positions(WAITING[0]) == [1]
    side.left_alone.add("u0000")
    assert side.positions(*WAITING[:2]) == [0, 1]


async def test_an_end_wakes_those_who_can_start_now_and_the_others_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "POSITIONS_AFTER", 0.02)
    running = [run(number, "Running", pod=f"p{number}") for number in (10, 11)]
    side = Side(2, *running, *WAITING)
    side.ends(running[0])
    assert side.asked == ["r1"]
    side.ends(running[1])
    assert side.asked == ["r1", "r1", "r2"], "the claim of the first is not written yet"
    side.asked.clear()
    async with asyncio.timeout(5):
        while len(side.asked) < len(WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert side.asked == ["r1", "r2", "r3", "r4"]


async def test_nobody_is_woken_by_what_frees_no_place() -> None:
    side = Side(1, PLACED, *WAITING)
    for change in ({"toolsOfAttempt": 1}, {"podName": "x"}):
        side.line.changed(PLACED, {**PLACED, "status": {**PLACED["status"], **change}})
    side.line.changed(None, WAITING[0])
    assert side.asked == []


def changed(old: Run, **metadata: Any) -> Run:
    return {**old, "metadata": {**old["metadata"], **metadata}}


@pytest.mark.parametrize(
    ("old", "new", "news"),
    [
        (None, PLACED, True),
        (PLACED, None, True),
        (PLACED, changed(PLACED, generation=2), True),
        (PLACED, changed(PLACED, deletionTimestamp="2026-01-01T00:00:00Z"), True),
        (PLACED, changed(PLACED, finalizers=["x"]), True),
        (PLACED, {**PLACED, "status": {"phase": "Failed"}}, True),
        (PLACED, {**PLACED, "status": {**PLACED["status"], "podName": "x"}}, False),
        (WAITING[0], run(1, "Pending", pod="p1"), False),
        ({**PLACED, "status": {"phase": "Failed"}}, {**PLACED, "status": {"phase": "Failed", "cleaned": True}}, False),
        (PLACED, changed(PLACED, labels={}), False),
    ],
)
def test_which_changes_of_a_run_are_news(old: Run | None, new: Run | None, news: bool) -> None:
    assert phases.concerns(old, new) is news
