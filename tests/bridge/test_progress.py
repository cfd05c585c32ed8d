"""Progress is for people: what becomes of it is no reason for a run to end."""

from __future__ import annotations

import json
import time
from pathlib import Path

from sympozium_core.bridge.progress import Progress
from sympozium_core.bridge.record import Record
from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
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
