"""What Events complain of: the newest about each name, over all pages, in one line."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from sympozium_sandbox_kubernetes.reasons import PAGES, complaints
from sympozium_sandbox_kubernetes.slow import Slow
from sympozium_sandbox_kubernetes.watched import Place

from sympozium_core.backoff import BackOff
from sympozium_core.contracts.cluster import Cluster, ListPage, Unavailable


def event(name: str, reason: str, message: str, at: str, kind: str = "Pod", **more: Any) -> dict[str, Any]:
    return {"involvedObject": {"kind": kind, "name": name}, "reason": reason, "message": message, "lastTimestamp": at, **more}


class Pages:
    """A list of Events, as an API server hands it out."""

    def __init__(self, *pages: list[dict[str, Any]], endless: bool = False) -> None:
        self.pages, self.endless, self.asked = pages, endless, 0
        self.error: Exception | None = None
        self.takes = 0.0

    async def list(self, kind: Any, namespace: str, **query: Any) -> ListPage:
        assert query["fields"] == "type=Warning"
        if self.error is not None:
            raise self.error
        number = int(query["continue_token"] or 0)
        self.asked += 1
        await asyncio.sleep(self.takes)
        more = self.endless or number + 1 < len(self.pages)
        return ListPage(self.pages[number % len(self.pages)], "1", str(number + 1) if more else "")


async def ask(pages: Pages, *names: str) -> dict[str, str]:
    return await complaints(cast(Cluster, pages), "team-a", names)


async def test_the_newest_counts_whatever_the_order() -> None:
    pages = Pages(
        [event("run-1-a", "FailedMount", "newer", "2026-01-01T00:00:02Z"), event("run-2-b", "Other", "x", "2026")],
        [event("run-1-a", "FailedScheduling", "older", "2026-01-01T00:00:01Z")],
        [event("run-3", "FailedCreate", "two\n lines", "", "Job", eventTime="2026-01-01T00:00:01.5Z")],
    )
    assert await ask(pages, "run-1-a", "run-3") == {"run-1-a": "FailedMount: newer", "run-3": "FailedCreate: two lines"}


async def test_a_series_has_its_own_time_and_others_are_not_asked_about() -> None:
    series: dict[str, Any] = {"series": {"lastObservedTime": "2026-01-01T00:00:09Z"}}
    pages = Pages(
        [
            event("run-1", "Again", "x", "2026-01-01T00:00:01Z", **series),
            event("run-1", "Once", "y", "2026-01-01T00:00:05Z"),
            event("run-1", "Node", "z", "2026-01-01T00:00:10Z", "Node"),
        ]
    )
    assert await ask(pages, "run-1") == {"run-1": "Again: x"}


async def test_a_flood_has_an_end() -> None:
    pages = Pages([event("run-1", "Flood", "x" * 5000, "2026")], endless=True)
    found = await ask(pages, "run-1")
    assert pages.asked == PAGES
    assert len(found["run-1"]) == 500


QUICK = BackOff(first=0.02, factor=1.5, longest=0.1)


@pytest.mark.parametrize("fails_first", [False, True])
async def test_a_slow_pod_is_asked_about_until_it_is_forgotten(fails_first: bool) -> None:
    place, silent = Place("team-a", "run-1"), Place("team-a", "run-2")
    pages = Pages([event("run-1", "FailedCreate", "exceeded quota", "2026", "Job")])
    pages.error = Unavailable("away") if fails_first else None
    told: asyncio.Queue[Place] = asyncio.Queue()
    slow = Slow(cast(Cluster, pages), lambda place: (place.pod_id,), told.put_nowait, QUICK)
    task = asyncio.create_task(slow.run())
    try:
        await asyncio.sleep(0)
        for each in (place, silent):
            slow.expect(each, ("agent",))
        if fails_first:
            await asyncio.sleep(0.1)
            pages.error = None
        assert await asyncio.wait_for(told.get(), 5) == place
        assert slow.message(place) == "FailedCreate: exceeded quota"
        assert (slow.containers(place), slow.message(silent)) == (("agent",), "")
        slow.forget(place)
        slow.forget(silent)
        assert (slow.containers(place), slow.message(place)) == (None, "")
        asked = pages.asked
        await asyncio.sleep(0.15)
        assert pages.asked <= asked + 1
        assert told.empty()
    finally:
        task.cancel()


async def test_a_pod_whose_status_says_enough_is_not_asked_about() -> None:
    pages = Pages([])
    slow = Slow(cast(Cluster, pages), lambda place: (), lambda place: None, QUICK)
    task = asyncio.create_task(slow.run())
    slow.expect(Place("team-a", "run-1"), ("agent",))
    await asyncio.sleep(0.15)
    task.cancel()
    assert pages.asked == 0


async def test_an_api_server_that_takes_long_to_answer_is_asked_less_often() -> None:
    pages = Pages([])
    pages.takes = 0.02
    slow = Slow(cast(Cluster, pages), lambda place: (place.pod_id,), lambda place: None, QUICK)
    task = asyncio.create_task(slow.run())
    slow.expect(Place("team-a", "run-1"), ("agent",))
    await asyncio.sleep(0.3)
    task.cancel()
    assert pages.asked == 1, "it would have been asked more than five times"
