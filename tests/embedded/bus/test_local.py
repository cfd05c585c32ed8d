"""What is the embedded bus's alone: a full disk, files of another format, what a crash leaves in the artifacts' folder."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Ack, BusUnavailable, LimitReached
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.store import MessageStore, open_database
from sympozium_core.errors import Permanent
from sympozium_core.testing.bus_journal import first, stored

POD = subjects.journal("run-1", "pod")


async def nothing_more() -> AsyncIterator[bytes]:
    yield b"whole"


async def test_a_full_disk_is_a_typed_error_and_loses_nothing(bus: EmbeddedBus) -> None:
    """SQLite's own page limit gives the error that a full disk gives."""
    await bus.append(POD, b"kept", message_id="0")

    def limit(pages: int) -> asyncio.Future[object]:
        return bus._writer.submit(lambda store: store.connection.pragma("max_page_count", pages))

    await limit(20)
    outcomes = await asyncio.gather(
        *(bus.append(POD, bytes(30_000), message_id=f"{number}") for number in range(1, 9)), return_exceptions=True
    )
    assert any(isinstance(outcome, LimitReached) for outcome in outcomes)
    await limit(100_000)
    acks = [await bus.append(POD, bytes(30_000), message_id=f"{number}") for number in range(9)]
    assert [ack.duplicate for ack in acks] == [True, *(isinstance(outcome, Ack) for outcome in outcomes)]
    sequences = [message.sequence for message in await stored(bus, POD)]
    assert sorted(ack.sequence for ack in acks) == sequences == list(range(1, 10))
    assert [message.sequence for message in await first(bus, POD, 9)] == sequences


async def test_what_does_not_fit_on_a_full_disk_takes_nobody_along(bus: EmbeddedBus) -> None:
    """Large and small appends of one moment share a transaction; the small ones have room."""
    await bus.append(POD, b"kept")
    pages = await bus._writer.submit(lambda store: store.connection.pragma("page_count"))
    await bus._writer.submit(lambda store: store.connection.pragma("max_page_count", pages + 20))
    sizes = [10, 200_000, 10, 10]
    outcomes = await asyncio.gather(
        *(bus.append(POD, bytes(size), message_id=f"{number}") for number, size in enumerate(sizes)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [Ack, LimitReached, Ack, Ack]
    assert [message.sequence for message in await stored(bus, POD)] == [1, 2, 3, 4]
    await bus._writer.submit(lambda store: store.connection.pragma("max_page_count", 100_000))
    again = await bus.append(POD, bytes(200_000), message_id="1")
    assert (again.sequence, again.duplicate) == (5, False)


async def test_a_message_id_is_forgotten_after_the_window(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path, limits=BusLimits(duplicate_window=0.05))
    await bus.append(POD, b"x", message_id="a")
    await asyncio.sleep(0.1)
    assert not (await bus.append(POD, b"x", message_id="a")).duplicate
    await bus.close()


async def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "bus.db")
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(Permanent, match="format 99"):
        await EmbeddedBus.open(tmp_path)


async def test_the_files_are_this_users_alone(bus: EmbeddedBus, tmp_path: Path) -> None:
    await bus.put_object("a", nothing_more())
    for path in (tmp_path / "bus").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


async def test_half_an_artifact_of_a_crash_is_swept(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    await bus.put_object("a", nothing_more())
    await bus.close()
    (tmp_path / "artifacts" / "abc.1234.tmp").write_bytes(b"half")
    bus = await EmbeddedBus.open(tmp_path)
    assert [chunk async for chunk in bus.get_object("a")] == [b"whole"]
    assert len(list((tmp_path / "artifacts").iterdir())) == 1
    await bus.close()


async def test_closing_lets_everybody_go(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    subscription = await bus.subscribe("x")
    consumer = await bus.consumer("c", POD)
    waiting = [asyncio.ensure_future(anext(aiter(waiter))) for waiter in (bus.follow(POD), subscription, consumer)]
    appending = [asyncio.ensure_future(bus.append(POD, b"x")) for _ in range(50)]
    await asyncio.sleep(0)
    await bus.close()
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert not isinstance(outcome, asyncio.CancelledError)
    assert all(isinstance(outcome, Ack) for outcome in await asyncio.gather(*appending))
    for attempt in (bus.append(POD, b"x"), bus.subscribe("x"), bus.publish("x", b""), bus.last(POD)):
        with pytest.raises(BusUnavailable):
            await attempt


async def test_the_count_of_bytes_survives(tmp_path: Path) -> None:
    bus = await EmbeddedBus.open(tmp_path)
    for _ in range(5):
        await bus.append(POD, bytes(1000))
    await bus.append(subjects.journal("run-2", "pod"), bytes(1000))
    await bus.purge(subjects.journal("run-1"))
    await bus.close()
    store = MessageStore(tmp_path / "bus.db", BusLimits())
    assert 1000 < store.bytes < 1200
    store.close()
