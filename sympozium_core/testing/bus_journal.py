"""Checks of the bus contract: stored messages. Part of `testing.bus.BusContract`."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Ack, Bus, BusDenied, Fenced, Message, PayloadTooLarge
from sympozium_core.errors import Permanent


async def stored(bus: Bus, subject: str, *, after: int = 0) -> list[Message]:
    return [message async for message in bus.read(subject, after=after)]


async def first(bus: Bus, subject: str, count: int, *, after: int = 0) -> list[Message]:
    """The first messages that `follow` yields; fails when they do not come."""
    found: list[Message] = []
    async with asyncio.timeout(20), aclosing(bus.follow(subject, after=after)) as messages:  # type: ignore[type-var]
        async for message in messages:
            found.append(message)
            if len(found) == count:
                break
    return found


class AppendChecks:
    async def test_an_append_is_read_as_it_was_written(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        before = time.time()
        ack = await bus.append(subject, b"\x00\xffdata", headers={"Sympozium-Entry": "e 1"})
        (message,) = await stored(bus, subject)
        assert (message.subject, message.data, dict(message.headers)) == (subject, b"\x00\xffdata", {"Sympozium-Entry": "e 1"})
        assert (message.sequence, message.reply, ack.duplicate) == (ack.sequence, "", False)
        assert before - 1 <= message.time <= time.time() + 1

    async def test_an_empty_message_is_stored(self, bus: Bus, uid: str) -> None:
        await bus.append(subjects.journal(uid, "pod"), b"")
        assert [message.data for message in await stored(bus, subjects.journal(uid, "pod"))] == [b""]

    async def test_sequences_grow_over_all_subjects(self, bus: Bus, uid: str) -> None:
        acks = [await bus.append(subjects.journal(uid, who), b"x") for who in ("pod", "gw", "ctl", "pod")]
        sequences = [ack.sequence for ack in acks]
        assert sequences == sorted(set(sequences))
        assert sequences[0] > 0

    async def test_the_first_append_expects_zero(self, bus: Bus, uid: str) -> None:
        await bus.append(subjects.journal(uid, "gw"), b"another subject of the run")
        assert (await bus.append(subjects.journal(uid, "pod"), b"x", expected_last=0)).sequence > 0

    async def test_each_append_expects_the_one_before(self, bus: Bus, uid: str) -> None:
        last = 0
        for number in range(5):
            last = (await bus.append(subjects.journal(uid, "pod"), b"%d" % number, expected_last=last)).sequence
            await bus.append(subjects.journal(uid, "gw"), b"between")
        assert [message.data for message in await stored(bus, subjects.journal(uid, "pod"))] == [b"0", b"1", b"2", b"3", b"4"]

    @pytest.mark.parametrize("wrong", [0, -1, 1])
    async def test_a_late_writer_is_fenced_and_nothing_is_stored(self, bus: Bus, uid: str, wrong: int) -> None:
        subject = subjects.journal(uid, "pod")
        last = (await bus.append(subject, b"kept")).sequence
        with pytest.raises(Fenced):
            await bus.append(subject, b"late", expected_last=last + wrong if wrong else 0)
        assert [message.data for message in await stored(bus, subject)] == [b"kept"]

    async def test_of_racing_writers_one_wins_each_place(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        last = 0
        for round_number in range(40):
            appends = [bus.append(subject, b"%d.%d" % (round_number, writer), expected_last=last) for writer in range(4)]
            outcomes = await asyncio.gather(*appends, return_exceptions=True)
            (winner,) = [outcome for outcome in outcomes if isinstance(outcome, Ack)]
            assert sum(isinstance(outcome, Fenced) for outcome in outcomes) == 3
            last = winner.sequence
        assert len(await stored(bus, subject)) == 40

    async def test_the_same_message_id_is_stored_once(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        once = await bus.append(subject, b"x", message_id=f"{uid}.1")
        again = await bus.append(subject, b"x", message_id=f"{uid}.1")
        other = await bus.append(subject, b"x", message_id=f"{uid}.2")
        assert (again.sequence, again.duplicate, other.duplicate) == (once.sequence, True, False)
        assert len(await stored(bus, subject)) == 2

    async def test_a_retry_after_an_unknown_outcome_is_a_duplicate_and_not_fenced(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        once = await bus.append(subject, b"x", expected_last=0, message_id=f"{uid}.1")
        again = await bus.append(subject, b"x", expected_last=0, message_id=f"{uid}.1")
        assert again == Ack(once.sequence, duplicate=True)

    async def test_equal_ids_at_once_are_stored_once(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        acks = await asyncio.gather(*(bus.append(subject, b"x", message_id=f"{uid}.1") for _ in range(20)))
        assert len({ack.sequence for ack in acks}) == 1
        assert sum(not ack.duplicate for ack in acks) == 1
        assert len(await stored(bus, subject)) == 1

    async def test_a_fenced_append_does_not_use_up_its_message_id(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        last = (await bus.append(subject, b"1")).sequence
        with pytest.raises(Fenced):
            await bus.append(subject, b"2", expected_last=0, message_id=f"{uid}.2")
        assert not (await bus.append(subject, b"2", expected_last=last, message_id=f"{uid}.2")).duplicate

    async def test_the_longest_message_is_stored_whole(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        data = bytes(range(256)) * (bus.max_payload // 256)
        await bus.append(subject, data, expected_last=0, message_id=f"{uid}.1", headers={"Sympozium-Entry": "x" * 1000})
        assert (await stored(bus, subject))[0].data == data

    async def test_a_longer_message_is_refused(self, bus: Bus, uid: str) -> None:
        with pytest.raises(PayloadTooLarge):
            await bus.append(subjects.journal(uid, "pod"), bytes(bus.max_payload + 1))
        assert await bus.last(subjects.journal(uid, "pod")) is None

    @pytest.mark.parametrize("form", ["sympozium.run.{}.req.model", "sympozium.run.{}", "other.{}.pod"])
    async def test_only_journal_subjects_are_stored(self, bus: Bus, uid: str, form: str) -> None:
        with pytest.raises(BusDenied):
            await bus.append(form.format(uid), b"x")

    @pytest.mark.parametrize(
        "subject", ["", "a b", "a\r\nPUB x 0", "a..b", "sympozium.run.*.pod", "sympozium.run.>", "a." * 400]
    )
    async def test_what_is_no_subject_is_refused(self, bus: Bus, subject: str) -> None:
        for attempt in (bus.append(subject, b"x"), bus.publish(subject, b"x")):
            with pytest.raises(Permanent):
                await attempt

    @pytest.mark.parametrize(
        "headers", [{"A": "b\r\nNats-Rollup: all"}, {"A\r\nB": "c"}, {"Nats-Rollup": "all"}, {"": "x"}, {"A": "x" * 20_000}]
    )
    async def test_headers_cannot_smuggle(self, bus: Bus, uid: str, headers: dict[str, str]) -> None:
        with pytest.raises(Permanent):
            await bus.append(subjects.journal(uid, "pod"), b"x", headers=headers)
        with pytest.raises(Permanent):
            await bus.publish(f"x.{uid}", b"x", headers=headers)

    async def test_a_burst_of_2000_is_stored_and_followed_whole(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        following = asyncio.create_task(first(bus, subject, 2000))
        acks = await asyncio.gather(*(bus.append(subject, b"%d" % number) for number in range(2000)))
        assert len({ack.sequence for ack in acks}) == 2000
        by_sequence = {ack.sequence: b"%d" % number for number, ack in enumerate(acks)}
        found = await following
        assert [message.sequence for message in found] == sorted(by_sequence)
        assert {message.sequence: message.data for message in found} == by_sequence


class ReadChecks:
    async def test_last_is_the_newest_of_that_subject(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        assert await bus.last(subject) is None
        await bus.append(subject, b"1", headers={"A": "1"})
        ack = await bus.append(subject, b"2", headers={"A": "2"})
        await bus.append(subjects.journal(uid, "gw"), b"3")
        newest = await bus.last(subject)
        assert newest is not None
        assert (newest.data, newest.sequence, dict(newest.headers)) == (b"2", ack.sequence, {"A": "2"})
        assert abs(newest.time - time.time()) < 30

    async def test_reading_nothing_ends(self, bus: Bus, uid: str) -> None:
        assert await stored(bus, subjects.journal(uid)) == []

    async def test_read_begins_above_after(self, bus: Bus, uid: str) -> None:
        sequences = [(await bus.append(subjects.journal(uid, "pod"), b"%d" % number)).sequence for number in range(5)]
        assert [m.sequence for m in await stored(bus, subjects.journal(uid, "pod"), after=sequences[1])] == sequences[2:]
        assert await stored(bus, subjects.journal(uid, "pod"), after=sequences[-1]) == []

    @pytest.mark.parametrize("pattern", ["sympozium.run.{}.*", "sympozium.run.{}.>"])
    async def test_a_filter_reads_the_whole_run_in_order(self, bus: Bus, uid: str, pattern: str) -> None:
        sources = ["ctl", "pod", "gw", "pod", "ctl", "gw"]
        for source in sources:
            await bus.append(subjects.journal(uid, source), source.encode())
            await bus.append(subjects.journal(f"{uid}x", source), b"another run")
        messages = await stored(bus, pattern.format(uid))
        assert [message.data.decode() for message in messages] == sources
        assert [message.sequence for message in messages] == sorted(message.sequence for message in messages)

    async def test_a_filter_reads_one_source_of_all_runs(self, bus: Bus, uid: str) -> None:
        for run in (f"{uid}a", f"{uid}b"):
            for who in ("pod", "gw"):
                await bus.append(subjects.journal(run, who), run.encode())
        found = [message for message in await stored(bus, subjects.journal("*", "gw")) if uid in message.subject]
        assert [message.subject for message in found] == [subjects.journal(f"{uid}a", "gw"), subjects.journal(f"{uid}b", "gw")]

    @pytest.mark.parametrize("pattern", ["sympozium.run.{}.req.*", "other.{}.>", "sympozium.run.{}.other", "a b"])
    async def test_a_filter_of_nothing_stored_is_refused(self, bus: Bus, uid: str, pattern: str) -> None:
        with pytest.raises(Permanent):
            await stored(bus, pattern.format(uid))

    async def test_many_and_long_messages_are_read_whole(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        sizes = [10] * 700 + [400_000] * 24 + [10] * 20
        await asyncio.gather(*(bus.append(subject, bytes(size)) for size in sizes))
        messages = await stored(bus, subject)
        assert sorted(len(message.data) for message in messages) == sorted(sizes)
        assert len({message.sequence for message in messages}) == len(sizes)

    async def test_read_ends_where_the_stream_ended_when_it_began(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        for _ in range(3):
            await bus.append(subject, b"before")
        seen = []
        async for message in bus.read(subject):
            seen.append(message.data)
            await bus.append(subject, b"meanwhile")
        assert seen == [b"before"] * 3

    async def test_follow_goes_on_with_what_is_stored_next(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid)
        await bus.append(subjects.journal(uid, "ctl"), b"0")
        async with asyncio.timeout(20), aclosing(bus.follow(subject)) as messages:  # type: ignore[type-var]
            for number in range(20):
                message = await anext(messages)
                assert message.data == b"%d" % number
                await bus.append(subjects.journal(f"{uid}x", "pod"), b"another run")
                await bus.append(subjects.journal(uid, "pod"), b"%d" % (number + 1))

    async def test_follow_begins_above_after(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        sequences = [(await bus.append(subject, b"%d" % number)).sequence for number in range(4)]
        assert [message.sequence for message in await first(bus, subject, 2, after=sequences[1])] == sequences[2:]

    async def test_many_follow_at_once(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        followers = [asyncio.create_task(first(bus, subject, 50)) for _ in range(10)]
        for number in range(50):
            await bus.append(subject, b"%d" % number)
        for found in await asyncio.gather(*followers):
            assert [message.data for message in found] == [b"%d" % number for number in range(50)]


class PurgeChecks:
    async def test_purge_removes_the_run_and_nothing_else(self, bus: Bus, uid: str) -> None:
        other = subjects.journal(f"{uid}x", "pod")
        for who in ("pod", "gw", "ctl"):
            await bus.append(subjects.journal(uid, who), b"gone")
        kept = await bus.append(other, b"kept")
        await bus.purge(subjects.journal(uid))
        assert await stored(bus, subjects.journal(uid)) == []
        assert await bus.last(subjects.journal(uid, "pod")) is None
        assert [message.sequence for message in await stored(bus, other)] == [kept.sequence]

    async def test_after_a_purge_sequences_go_on_and_fencing_begins_anew(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        before = (await bus.append(subject, b"x", expected_last=0)).sequence
        await bus.purge(subject)
        assert (await bus.append(subject, b"y", expected_last=0)).sequence > before

    async def test_a_long_journal_is_purged_whole(self, bus: Bus, uid: str) -> None:
        subject = subjects.journal(uid, "pod")
        await asyncio.gather(*(bus.append(subject, b"x") for _ in range(1200)))
        await bus.purge(subject)
        assert await stored(bus, subject) == []
