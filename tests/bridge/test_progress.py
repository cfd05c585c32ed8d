"""Progress is for people: what becomes of it is no reason for a run to end."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from sympozium_core.bridge.progress import Progress
from sympozium_core.bridge.record import Record
from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.ipc.files import Root


async def test_a_bus_without_room_costs_progress_and_nothing_else(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path / "bus", limits=BusLimits(max_bytes=600))
    try:
        journal = Journal(bus, subjects.journal("uid", subjects.POD), last=0, attempt=1)
        with Root(tmp_path) as root:
            progress = Progress(root, Record(journal, time.time() + 10))
            for number in range(20):
                text = json.dumps({"type": "text", "turn": 1, "text": "x" * 500}).encode()
                root.write_bytes(f"output/stream-{number}.json", text)
                progress.take(f"stream-{number}.json")
                await progress.drain()
        assert (await bus.last(subjects.journal("uid", subjects.POD))) is None
    finally:
        await bus.close()


async def test_what_a_running_tool_says_is_on_record_and_the_agent_cannot_say_it(world: Any) -> None:
    pod = world.pod()
    files = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    pod.request("shell", "c1")
    await world.until(lambda: files.asked)
    progress = pod.volumes / "skill-shell/tools/shell/progress"
    progress.mkdir(exist_ok=True)

    def say(name: str, text: str) -> None:
        (progress / f".{name}").write_text(text)
        (progress / f".{name}").rename(progress / name)

    say("other.1.json", json.dumps({"id": "other", "text": "nobody waits for it"}))
    say("c1.0.json", "no JSON")
    say("c1.1.json", json.dumps({"id": "c2", "text": "of another call"}))
    say("c1.2.json", json.dumps({"id": "c1", "text": "x" * 10_000 + " half done"}))
    pod.put("output/stream-0.json", json.dumps({"type": "tool.output", "call": "c1", "text": "forged"}))
    entry = await world.entry("progress")
    (event,) = entry["events"]
    assert (event["type"], event["server"], event["call"]) == ("tool.output", "shell", "c1")
    assert event["text"].endswith(" half done")
    assert len(event["text"]) == 4_000
    await world.until(lambda: not any(progress.glob("*.json")))
    assert "forged" not in str([each["events"] for each in await world.entries("progress")])


async def test_a_tool_that_never_stops_talking_is_heard_in_part(world: Any) -> None:
    pod = world.pod()
    files = pod.serve("shell", "execute_command", run=lambda request: None)
    await pod.carry()
    pod.request("shell", "c1")
    await world.until(lambda: files.asked)
    progress = pod.volumes / "skill-shell/tools/shell/progress"
    for number in range(1_000):
        (progress / ".new").write_text(json.dumps({"id": "c1", "text": "again"}))
        (progress / ".new").rename(progress / f"c1.{number}.json")
    await world.until(lambda: not any(progress.glob("*.json")))
    await world.entry("progress", count=3)  # of at most 64 words each
    pod.finish()
    await world.entry("result")
    heard = [event for entry in await world.entries("progress") for event in entry["events"]]
    assert 64 <= len(heard) < 600


class HeldJournal(Journal):
    """Lets an append go on when the test says so."""

    def __init__(self, bus: EmbeddedBus) -> None:
        super().__init__(bus, subjects.journal("uid", subjects.POD), last=0, attempt=1)
        self.came, self.go_on = asyncio.Event(), asyncio.Event()

    async def append(self, *arguments: Any, **more: Any) -> Any:
        self.came.set()
        await self.go_on.wait()
        return await super().append(*arguments, **more)


async def test_what_is_on_its_way_to_the_journal_when_the_run_ends_gets_there_once(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path / "bus")
    try:
        journal = HeldJournal(bus)
        with Root(tmp_path) as root:
            progress = Progress(root, Record(journal, time.time() + 10))
            working = asyncio.create_task(progress.work())
            progress.tool_output("shell", "c1", "half done")
            await journal.came.wait()
            working.cancel()
            await asyncio.wait([working])
            draining = asyncio.create_task(progress.drain())
            journal.go_on.set()
            await asyncio.wait_for(draining, 5)
        said = [entry.entry["events"] async for entry in read_entries(bus, "uid")]
        assert [[event["text"] for event in events] for events in said] == [["half done"]]
    finally:
        await bus.close()
