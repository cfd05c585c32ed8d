"""Events: counted, bounded, and never in the way."""

from __future__ import annotations

import asyncio
from typing import Any

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, EVENT, NAMESPACE
from sympozium_core.contracts.cluster import metadata
from sympozium_core.reconcile.events import BURST, MAX_MESSAGE, MAX_PENDING, REFILL, EventRecorder


class SetClock:
    def __init__(self) -> None:
        self.seconds = 1_774_947_600.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def about(name: str = "a", **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7", **meta}}


async def events(cluster: Any) -> list[dict[str, Any]]:
    page = await cluster.list(EVENT)
    return sorted(page.items, key=lambda each: str(each["message"]))


async def test_an_event_says_who_what_and_when(cluster: Any, background: Any, until: Any) -> None:
    recorder = EventRecorder(cluster, "agentrun", instance="host-1", clock=SetClock())
    background(recorder.run())
    recorder.record(CONFIG_MAP, about(), "Warning", "Broken", "x" * 5000)
    await until(lambda: recorder.written == 1)
    (event,) = await events(cluster)
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "a",
        "namespace": "default",
        "uid": "uid-a",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["count"]) == ("Warning", "Broken", 1)
    assert event["message"] == "x" * MAX_MESSAGE
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-03-31T09:00:00Z"
    assert (event["source"]["component"], event["reportingInstance"]) == ("agentrun", "host-1")


async def test_equal_events_are_counted_in_one_object(cluster: Any) -> None:
    clock = SetClock()
    recorder = EventRecorder(cluster, "test", clock=clock)
    running = asyncio.ensure_future(recorder.run())
    for number in range(10):
        clock.seconds += 1
        recorder.record(CONFIG_MAP, about(), "Normal", "Again", "same")
        recorder.record(CONFIG_MAP, about(), "Normal", "Again", f"other {number % 2}")
        if number == 4:
            await recorder._drain()
    await recorder.close()
    await asyncio.wait_for(running, 5)
    found = await events(cluster)
    assert [(each["message"], each["count"]) for each in found] == [("other 0", 5), ("other 1", 5), ("same", 10)]
    assert (found[2]["firstTimestamp"], found[2]["lastTimestamp"]) == ("2026-03-31T09:00:01Z", "2026-03-31T09:00:10Z")


async def test_an_event_that_expired_is_written_anew(cluster: Any) -> None:
    recorder = EventRecorder(cluster, "test")
    recorder.record(CONFIG_MAP, about(), "Normal", "Again", "same")
    await recorder._drain()
    (event,) = await events(cluster)
    await cluster.delete(EVENT, "default", metadata(event)["name"])
    recorder.record(CONFIG_MAP, about(), "Normal", "Again", "same")
    await recorder.close()
    (event,) = await events(cluster)
    assert event["count"] == 1


async def test_an_object_has_a_burst_and_then_few(cluster: Any) -> None:
    clock = SetClock()
    recorder = EventRecorder(cluster, "test", clock=clock)
    for number in range(BURST + 10):
        recorder.record(CONFIG_MAP, about(), "Normal", "Many", str(number))
    recorder.record(CONFIG_MAP, about("b"), "Normal", "One", "of another object")
    assert recorder.dropped == 10
    clock.seconds += REFILL
    recorder.record(CONFIG_MAP, about(), "Normal", "Many", "after a while")
    recorder.record(CONFIG_MAP, about(), "Normal", "Many", "but no more")
    assert recorder.dropped == 11
    await recorder.close()
    assert len(await events(cluster)) == BURST + 2


async def test_what_waits_is_bounded(cluster: Any) -> None:
    recorder = EventRecorder(cluster, "test")
    for number in range(MAX_PENDING + 7):
        recorder.record(CONFIG_MAP, about(f"o{number}"), "Normal", "Many", "x")
    assert recorder.dropped == 7


async def test_a_cluster_that_is_away_loses_events_and_nothing_else(
    cluster: Any, line: Any, background: Any, until: Any
) -> None:
    recorder = EventRecorder(line, "test")
    background(recorder.run())
    line.cut()
    recorder.record(CONFIG_MAP, about(), "Normal", "Lost", "x")
    await until(lambda: recorder.dropped == 1)
    line.mend()
    recorder.record(CONFIG_MAP, about(), "Normal", "Kept", "y")
    await until(lambda: recorder.written == 1)


async def test_about_what_has_no_namespace(cluster: Any) -> None:
    recorder = EventRecorder(cluster, "test")
    recorder.record(NAMESPACE, {"metadata": {"name": "team-a." + "x" * 300, "uid": "u"}}, "Normal", "Made", "x")
    await recorder.close()
    (event,) = await events(cluster)
    assert metadata(event)["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_closed_takes_nothing_more(cluster: Any) -> None:
    recorder = EventRecorder(cluster, "test")
    await recorder.close()
    recorder.record(CONFIG_MAP, about(), "Normal", "Late", "x")
    assert recorder.dropped == 1
    await asyncio.wait_for(recorder.run(), 1)
