"""What a durable consumer of the embedded bus writes down, when, and what a kill makes it forget."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Consumer, Delivery
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.store import MessageStore

ALL = subjects.journal("*")
POD = subjects.journal("run-1", "pod")


class Saves:
    """What one bus has written of its consumers, save by save."""

    def __init__(self, bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[int, dict[int, int]]] = []
        consumed = MessageStore.consumed

        def remember(store: MessageStore, name: str, position: int, changes: Mapping[int, int]) -> None:
            consumed(store, name, position, changes)
            if store is bus._writer._transactions:
                self.made.append((position, dict(changes)))

        monkeypatch.setattr(MessageStore, "consumed", remember)

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
def saves(bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch) -> Saves:
    return Saves(bus, monkeypatch)


async def taken(consumer: Consumer, count: int) -> list[Delivery]:
    async with asyncio.timeout(10):
        return [await anext(aiter(consumer)) for _ in range(count)]


async def waiting(bus: EmbeddedBus) -> list[tuple[int, int]]:
    """Sequence and deliveries of all that a consumer gets that opens the name now."""
    consumer = await bus.consumer("c", ALL)
    found: list[tuple[int, int]] = []
    try:
        async with asyncio.timeout(0.3):
            async for delivery in consumer:
                found.append((delivery.message.sequence, delivery.deliveries))
    except TimeoutError:
        pass
    return found


async def after_a_kill(bus_folder: Path, copy: Path) -> list[tuple[int, int]]:
    """The files as they are now, opened by another process's bus: nothing was finished or closed."""
    shutil.copytree(bus_folder, copy)
    bus = await EmbeddedBus.open(copy)
    try:
        return await waiting(bus)
    finally:
        await bus.close()


async def test_a_consumer_that_keeps_up_is_written_down_seldom(bus: EmbeddedBus, saves: Saves) -> None:
    consumer = await bus.consumer("c", ALL)
    for _ in range(200):
        await bus.append(POD, b"x")
        (delivery,) = await taken(consumer, 1)
        await delivery.ack()
    await saves.until(lambda: saves.made and saves.made[-1][0] == 200)
    assert len(saves.made) <= 100


async def test_closing_forgets_nothing(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path / "b")
    consumer = await bus.consumer("c", ALL)
    for _ in range(5):
        await bus.append(POD, b"x")
    for delivery in await taken(consumer, 4):
        if delivery.message.sequence in (1, 3):
            await delivery.ack()
    await bus.close()
    bus = await EmbeddedBus.open(tmp_path / "b")
    assert await waiting(bus) == [(2, 2), (4, 2), (5, 1)]
    await bus.close()


async def test_a_kill_loses_no_message_and_brings_the_newest_again(
    bus: EmbeddedBus, saves: Saves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sympozium_core.embedded.bus.consumers.SAVE_AFTER", 3600.0)
    consumer = await bus.consumer("c", ALL)

    async def save() -> tuple[int, dict[int, int]]:
        saved = len(saves.made)
        bus._durables["c"]._save()
        await saves.until(lambda: len(saves.made) > saved)
        await bus.append(POD, b"x")  # on the disk, and so is what was queued before it
        return saves.made[-1]

    for _ in range(6):
        await bus.append(POD, b"x")
    first = await taken(consumer, 4)
    await first[1].ack()
    await first[3].ack()
    assert await after_a_kill(tmp_path / "bus", tmp_path / "at-once") == [(sequence, 1) for sequence in range(1, 7)]
    assert await save() == (4, {1: 1, 3: 1})
    assert await after_a_kill(tmp_path / "bus", tmp_path / "saved") == [(1, 2), (3, 2), (5, 1), (6, 1), (7, 1)]
    # What is on the disk as pending is taken off it.
    await first[0].ack()
    assert await save() == (4, {1: 0})
    assert await after_a_kill(tmp_path / "bus", tmp_path / "acknowledged") == [(3, 2), (5, 1), (6, 1), (7, 1), (8, 1)]
