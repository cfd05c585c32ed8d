"""What is JetStream's alone: users without its API, reading without traces, restarts under those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.journal import Journal
from sympozium_core.bus.nats_stream import StreamLimits
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.testing.bus_consumers import take
from sympozium_core.testing.bus_journal import first, stored
from sympozium_core.testing.nats_server import NatsServer

LIMITS = StreamLimits(max_bytes=64 * 1024**2, max_artifact_bytes=16 * 1024**2)
UID = "run-1"
POD = subjects.journal(UID, "pod")


USERS = 'authorization { users: [ { user: "control", password: "c" } ] }'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path, extra=USERS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[JetStreamBus]:
    bus = await JetStreamBus.connect(server.url, user="control", password="c", ensure_stream=True, limits=LIMITS)
    yield bus
    await bus.close()


class TestConnecting:
    async def test_nobody_there(self, tmp_path: Path) -> None:
        server = NatsServer(tmp_path / "gone")
        server.start()
        server.stop()
        with pytest.raises(BusUnavailable, match=r"127\.0\.0\.1"):
            await asyncio.wait_for(JetStreamBus.connect(server.url, timeout=0.3), 5)

    async def test_a_user_that_is_not_known_is_denied_without_its_password(self, server: NatsServer) -> None:
        with pytest.raises(BusDenied) as raised:
            await JetStreamBus.connect(server.url, user="control", password="secret")
        assert "secret" not in str(raised.value)

    async def test_a_stream_that_is_there_gets_the_new_limits(self, server: NatsServer, bus: JetStreamBus) -> None:
        await bus.append(POD, b"kept")
        limits = StreamLimits(max_bytes=1024, max_artifact_bytes=LIMITS.max_artifact_bytes)
        again = await JetStreamBus.connect(server.url, user="control", password="c", ensure_stream=True, limits=limits)
        assert len(await stored(again, POD)) == 1
        await again.close()


class TestReading:
    async def test_no_consumer_is_left_behind(self, bus: JetStreamBus) -> None:
        for number in range(5):
            await bus.append(POD, b"%d" % number)
        await stored(bus, POD)
        await first(bus, subjects.journal(UID), 3)
        async with aclosing(bus.read(POD)) as messages:
            await anext(messages)
        assert (await bus._context.stream_info(subjects.STREAM)).state.consumer_count == 0

    @pytest.mark.parametrize("kill", [False, True])
    async def test_who_follows_a_stream_goes_on_after_a_restart(
        self, server: NatsServer, bus: JetStreamBus, kill: bool
    ) -> None:
        following = asyncio.create_task(first(bus, POD, 6))
        for number in range(3):
            await bus.append(POD, b"%d" % number)
        server.restart(kill=kill)
        journal = [b"3", b"4", b"5"]
        for number, data in enumerate(journal):
            await append_until_acknowledged(bus, data, f"id-{number}")
        assert [message.data for message in await following] == [b"0", b"1", b"2", *journal]

    @pytest.mark.parametrize("kill", [False, True])
    async def test_a_consumer_goes_on_after_a_restart(self, server: NatsServer, bus: JetStreamBus, kill: bool) -> None:
        consumer = await bus.consumer("c", POD, ack_wait=1.0)
        await bus.append(POD, b"0")
        (delivery,) = await take(consumer, 1)
        await delivery.ack()
        server.restart(kill=kill)
        await append_until_acknowledged(bus, b"1", "id-1")
        found = b""
        while found != b"1":
            (delivery,) = await take(consumer, 1)
            await delivery.ack()
            found = delivery.message.data
        await consumer.close()

    async def test_a_journal_is_written_across_restarts(self, server: NatsServer, bus: JetStreamBus) -> None:
        journal = await Journal.open(bus, POD, attempt=1)
        enough = False
        written = 0

        async def write() -> None:
            nonlocal written
            while not enough:
                await journal.append({"type": "progress", "n": written})
                written += 1

        async def written_more(count: int) -> None:
            until = written + count
            async with asyncio.timeout(30):
                while written < until:  # noqa: ASYNC110  # a journal tells nobody
                    await asyncio.sleep(0.005)

        writing = asyncio.create_task(write())
        for kill in (True, False, True):
            await written_more(40)
            await asyncio.to_thread(server.restart, kill=kill)
        await written_more(40)
        enough = True
        await writing
        numbers = [int(message.data.partition(b'"n":')[2].rstrip(b"}")) for message in await stored(bus, POD)]
        assert numbers == list(range(written))


async def append_until_acknowledged(bus: JetStreamBus, data: bytes, message_id: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await bus.append(POD, data, message_id=message_id)
                return
            except BusUnavailable:
                await asyncio.sleep(0.02)
