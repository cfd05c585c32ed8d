"""The contract suite of the bus: `sympozium_core.contracts.bus`, checked on whatever implementation the fixtures give.

A test class derives from `BusContract` and defines three fixtures:

- `bus`: an open bus of a control-plane user;
- `restart`: a coroutine function that ends the server under the bus and starts it again on the same store, and returns the bus to use;
- `fill_limits`: a coroutine function that returns a bus whose journals hold at most `SMALL_BYTES` bytes and its artifacts likewise.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.contracts.bus import Bus, Fenced, LimitReached
from sympozium_core.testing.bus_consumers import ConsumerChecks, appended, take
from sympozium_core.testing.bus_journal import AppendChecks, PurgeChecks, ReadChecks, stored
from sympozium_core.testing.bus_messages import ArtifactChecks, PublishChecks, chunks, whole

SMALL_BYTES = 256 * 1024

Restart = Callable[[], Awaitable[Bus]]
FillLimits = Callable[[], Awaitable[Bus]]


class RestartChecks:
    async def test_everything_acknowledged_survives(self, bus: Bus, restart: Restart, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        acks = await asyncio.gather(*(bus.append(subject, b"%d" % number, headers={"A": "b"}) for number in range(300)))
        bus = await restart()
        messages = await stored(bus, subject)
        assert {message.sequence: message.data for message in messages} == {
            ack.sequence: b"%d" % number for number, ack in enumerate(acks)
        }
        assert all(dict(message.headers) == {"A": "b"} for message in messages)

    async def test_fencing_and_message_ids_survive(self, bus: Bus, restart: Restart, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        once = await bus.append(subject, b"1", expected_last=0, message_id=f"{uid}.1")
        bus = await restart()
        again = await bus.append(subject, b"1", expected_last=0, message_id=f"{uid}.1")
        assert (again.sequence, again.duplicate) == (once.sequence, True)
        with pytest.raises(Fenced):
            await bus.append(subject, b"2", expected_last=0)
        assert (await bus.append(subject, b"2", expected_last=once.sequence)).sequence > once.sequence

    async def test_sequences_are_never_given_twice(self, bus: Bus, restart: Restart, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        before = (await bus.append(subject, b"x")).sequence
        await bus.purge(subject)
        bus = await restart()
        assert (await bus.append(subject, b"y")).sequence > before

    @pytest.fixture
    def remembers_acks(self) -> bool:
        """False for a bus that is killed and writes down acknowledgements of deliveries later than it answers."""
        return True

    async def test_a_consumer_goes_on_where_it_was(self, bus: Bus, restart: Restart, remembers_acks: bool, uid: str) -> None:
        await appended(bus, uid, 4)
        consumer = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=1.0)
        first, held, third = await take(consumer, 3)
        await first.ack()
        await third.ack()
        bus = await restart()
        again = await bus.consumer(f"c-{uid}", subjects.journal(uid, "pod"), ack_wait=1.0)
        found: dict[bytes, int] = {}
        while not {b"1", b"3"} <= found.keys():
            (delivery,) = await take(again, 1)
            found[delivery.message.data] = delivery.deliveries
            await delivery.ack()
        if remembers_acks:
            assert found == {b"1": held.deliveries + 1, b"3": 1}
        await again.close()

    async def test_artifacts_survive(self, bus: Bus, restart: Restart, uid: str) -> None:
        await bus.put_object(uid, chunks(b"kept" * 50_000, 64_000))
        bus = await restart()
        assert await whole(bus, uid) == b"kept" * 50_000

    async def test_a_journal_goes_on(self, bus: Bus, restart: Restart, uid: str) -> None:
        journal = await Journal.open(bus, subjects.journal(uid, "gw"), attempt=1)
        await journal.append({"type": "model.request", "n": 1})
        bus = await restart()
        journal = await Journal.open(bus, subjects.journal(uid, "gw"), attempt=1)
        await journal.append({"type": "model.answer", "n": 2, "text": "x" * 1_500_000})
        assert [found.entry["n"] async for found in read_entries(bus, uid)] == [1, 2]


class LimitChecks:
    async def test_a_full_stream_refuses_and_stores_nothing(self, fill_limits: FillLimits, uid: str) -> None:
        bus = await fill_limits()
        subject = subjects.journal(uid, "pod")
        sequences = await self.fill(bus, subject)
        assert 0 < len(sequences) < SMALL_BYTES // 20_000 + 1
        with pytest.raises(LimitReached):
            await bus.append(subject, bytes(20_000))
        assert [message.sequence for message in await stored(bus, subject)] == sequences

    async def test_a_refused_append_may_be_repeated_after_a_purge(self, fill_limits: FillLimits, uid: str) -> None:
        bus = await fill_limits()
        await self.fill(bus, subjects.journal(f"{uid}x", "pod"))
        subject = subjects.journal(uid, "pod")
        with pytest.raises(LimitReached):
            await bus.append(subject, bytes(20_000), expected_last=0, message_id=f"{uid}.1")
        await bus.purge(subjects.journal(f"{uid}x"))
        assert not (await bus.append(subject, bytes(20_000), expected_last=0, message_id=f"{uid}.1")).duplicate

    async def test_artifacts_have_their_limit(self, fill_limits: FillLimits, uid: str) -> None:
        bus = await fill_limits()
        with pytest.raises(LimitReached):
            await bus.put_object(uid, chunks(bytes(2 * SMALL_BYTES), 50_000))
        with pytest.raises(KeyError):
            await whole(bus, uid)
        await bus.put_object(uid, chunks(bytes(SMALL_BYTES // 2), 50_000))
        await bus.delete_object(uid)
        await bus.put_object(uid, chunks(bytes(SMALL_BYTES // 2), 50_000))

    async def fill(self, bus: Bus, subject: str) -> list[int]:
        sequences = []
        while True:
            try:
                sequences.append((await bus.append(subject, bytes(20_000))).sequence)
            except LimitReached:
                return sequences


class BusContract(
    AppendChecks, ReadChecks, PurgeChecks, ConsumerChecks, PublishChecks, ArtifactChecks, RestartChecks, LimitChecks
):
    """Every check; see the module for the fixtures."""

    @pytest.fixture
    def uid(self) -> str:
        """A run of this check's own."""
        return f"u{secrets.token_hex(6)}"
