"""Processes killed at random while they append: every acknowledged entry is there, none is there in half, none twice."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import JournalEntry, read_entries
from sympozium_core.contracts.bus import Fenced
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer

PROGRAM = Path(__file__).with_name("appender.py")
LENGTHS = (10, 1000, 600_000, 50)
"""Of the texts of entries, in turn; the third makes an entry of two frames."""
POD = subjects.journal("run-1", "pod")


async def killed_after(acks: Path, lines: int, *arguments: str) -> None:
    """Runs an appender until it has so many acknowledgements and a moment more, then kills it."""
    before = len(acknowledged(acks))
    lengths = ",".join(map(str, LENGTHS))
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), lengths, str(acks), *arguments)
    try:
        async with asyncio.timeout(20):
            while len(acknowledged(acks)) < before + lines:
                assert process.returncode is None
                await asyncio.sleep(0.005)
            await asyncio.sleep(random.uniform(0, 0.01))
    finally:
        process.kill()
        await process.wait()


def acknowledged(acks: Path) -> list[tuple[int, int, int]]:
    """Sequence, process, number of each acknowledged entry."""
    if not acks.exists():
        return []
    lines = acks.read_text().split("\n")[:-1]
    return [(int(sequence), int(pid), int(number)) for sequence, pid, number in (line.split() for line in lines)]


def check(found: list[JournalEntry], acks: Path) -> None:
    whole = {}
    for sequence, _, entry in found:
        number = entry["n"]
        assert entry["text"] == chr(97 + number % 26) * LENGTHS[number % len(LENGTHS)]
        assert (entry["pid"], number) not in whole
        whole[entry["pid"], number] = sequence
    for sequence, pid, number in acknowledged(acks):
        assert whole[pid, number] == sequence
    assert len(found) - len(acknowledged(acks)) <= len({pid for pid, _ in whole})


async def test_the_process_of_the_bus_is_killed(tmp_path: Path) -> None:
    acks = tmp_path / "acks"
    for lines in (1, 7, 25):
        await killed_after(acks, lines, "own", str(tmp_path / "bus"))
        bus = await EmbeddedBus.open(tmp_path / "bus")
        check([entry async for entry in read_entries(bus, "run-1")], acks)
        await bus.close()


async def test_the_bridge_is_killed_and_the_next_one_goes_on(tmp_path: Path, bus: EmbeddedBus, server: BusServer) -> None:
    acks = tmp_path / "acks"
    for lines in (1, 7, 25):
        newest = await bus.last(POD)
        last = newest.sequence if newest else 0
        await killed_after(acks, lines, "remote", server.address, str(last))
        await server.revoke("pod-1")
        check([entry async for entry in read_entries(bus, "run-1")], acks)
    late = await RemoteBus.connect(server.address, "right", "pod-1")
    with pytest.raises(Fenced):
        await late.append(POD, b"from an old pod", expected_last=last)
    await late.close()
