"""The journal's writer and readers, on the embedded bus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import frames, subjects
from sympozium_core.bus.journal import MAX_ENTRY_BYTES, Journal, JournalEntry, entries, entry_of, read_entries
from sympozium_core.contracts.bus import FRAME_BYTES, Ack, BusUnavailable, Fenced, LimitReached, Message
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.errors import Permanent

POD = subjects.journal("u1", "pod")
LONG = "x" * (2 * FRAME_BYTES + 100)


class LossyBus(EmbeddedBus):
    """The real bus behind a connection that breaks: before the request arrives, or after, so that the answer is lost."""

    losses: list[str]

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        expected_last: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Ack:
        loss = self.losses.pop(0) if self.losses else ""
        if loss == "before":
            raise BusUnavailable("the connection broke")
        ack = await super().append(subject, data, expected_last=expected_last, message_id=message_id, headers=headers)
        if loss == "after":
            raise BusUnavailable("the connection broke")
        return ack


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[LossyBus]:
    opened = await LossyBus.open(tmp_path)
    assert isinstance(opened, LossyBus)
    opened.losses = []
    yield opened
    await opened.close()


async def journal_of(bus: EmbeddedBus, *, after: int = 0) -> list[JournalEntry]:
    return [entry async for entry in read_entries(bus, "u1", after=after)]


def texts(found: list[JournalEntry]) -> list[Any]:
    return [entry.entry.get("text", entry.entry["type"]) for entry in found]


class TestWriter:
    async def test_an_entry_gets_time_and_attempt(self, bus: LossyBus) -> None:
        journal = Journal(bus, POD, last=0, attempt=3, now=lambda: 12.5)
        sequence = await journal.append({"type": "started", "servers": {"shell": ["a", "ü"]}})
        (found,) = await journal_of(bus)
        assert found == (sequence, "pod", {"type": "started", "servers": {"shell": ["a", "ü"]}, "at": 12.5, "attempt": 3})

    async def test_a_long_entry_is_cut_and_comes_back_whole(self, bus: LossyBus) -> None:
        journal = await Journal.open(bus, POD, attempt=1)
        await journal.append({"type": "progress", "text": "short"})
        sequence = await journal.append({"type": "tool.result", "text": LONG})
        messages = [message async for message in bus.read(POD)]
        assert len(messages) == 4
        assert all(len(message.data) <= FRAME_BYTES for message in messages)
        assert [(found.sequence, found.entry["text"]) for found in await journal_of(bus)] == [(1, "short"), (sequence, LONG)]
        assert sequence == messages[-1].sequence

    async def test_an_older_writer_is_fenced(self, bus: LossyBus) -> None:
        old = await Journal.open(bus, POD, attempt=1)
        await old.append({"type": "started"})
        new = Journal(bus, POD, last=old.last, attempt=2)
        await new.append({"type": "started"})
        with pytest.raises(Fenced):
            await old.append({"type": "progress"})
        await new.append({"type": "result"})
        assert [entry.entry["attempt"] for entry in await journal_of(bus)] == [1, 2, 2]

    @pytest.mark.parametrize("loss", ["before", "after"])
    @pytest.mark.parametrize("text", ["short", LONG])
    async def test_an_unknown_outcome_is_tried_again_and_stored_once(self, bus: LossyBus, loss: str, text: str) -> None:
        journal = Journal(bus, POD, last=0, attempt=1)
        bus.losses = [loss, "", loss, loss, loss]
        for number in range(3):
            await journal.append({"type": "progress", "n": number, "text": text})
        assert [entry.entry["n"] for entry in await journal_of(bus)] == [0, 1, 2]
        assert journal.last == (await journal_of(bus))[-1].sequence

    @pytest.mark.parametrize("loss", ["before", "after"])
    @pytest.mark.parametrize("text", ["short", LONG])
    async def test_after_giving_up_the_same_entry_is_completed(self, bus: LossyBus, loss: str, text: str) -> None:
        journal = Journal(bus, POD, last=0, attempt=1, patience=0.0)
        entry = {"type": "progress", "text": text}
        bus.losses = [loss]
        with pytest.raises(BusUnavailable):
            await journal.append(entry)
        await journal.append(entry)
        await journal.append({"type": "result"})
        assert texts(await journal_of(bus)) == [text, "result"]

    @pytest.mark.parametrize(("loss", "kept"), [("before", True), ("after", True)])
    async def test_after_giving_up_another_entry_settles_the_doubt_first(self, bus: LossyBus, loss: str, kept: bool) -> None:
        journal = Journal(bus, POD, last=0, attempt=1, patience=0.0)
        bus.losses = [loss]
        with pytest.raises(BusUnavailable):
            await journal.append({"type": "progress"})
        await journal.append({"type": "result"})
        assert texts(await journal_of(bus)) == ["progress", "result"]

    async def test_a_long_entry_given_up_in_the_middle_is_no_entry(self, bus: LossyBus) -> None:
        journal = Journal(bus, POD, last=0, attempt=1, patience=0.0)
        bus.losses = ["", "after"]
        with pytest.raises(BusUnavailable):
            await journal.append({"type": "tool.result", "text": LONG})
        await journal.append({"type": "result"})
        assert texts(await journal_of(bus)) == ["result"]
        assert len([message async for message in bus.read(POD)]) == 3

    async def test_a_cancelled_append_does_not_fence_its_own_writer(self, bus: LossyBus) -> None:
        journal = Journal(bus, POD, last=0, attempt=1)
        task = asyncio.create_task(journal.append({"type": "progress"}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await journal.append({"type": "result"})
        assert texts(await journal_of(bus))[-1] == "result"
        assert texts(await journal_of(bus)).count("progress") <= 1

    async def test_appends_of_many_tasks_are_put_in_a_row(self, bus: LossyBus) -> None:
        journal = Journal(bus, POD, last=0, attempt=1)
        sequences = await asyncio.gather(*(journal.append({"type": "progress", "text": n}) for n in range(100)))
        assert texts(await journal_of(bus)) == list(range(100))
        assert sequences == sorted(sequences)

    @pytest.mark.parametrize("value", [float("nan"), object(), b"bytes"])
    async def test_what_is_not_json_is_refused_and_the_journal_goes_on(self, bus: LossyBus, value: object) -> None:
        journal = Journal(bus, POD, last=0, attempt=1)
        with pytest.raises(Permanent, match="not JSON"):
            await journal.append({"type": "progress", "value": value})
        await journal.append({"type": "result"})

    async def test_an_entry_beyond_the_bound_is_refused(self, bus: LossyBus) -> None:
        with pytest.raises(Permanent, match="longer than"):
            await Journal(bus, POD, last=0, attempt=1).append({"type": "x", "text": "y" * MAX_ENTRY_BYTES})

    async def test_a_full_stream_leaves_the_journal_usable(self, tmp_path: Path) -> None:
        bus = await EmbeddedBus.open(tmp_path / "small", limits=BusLimits(max_bytes=700_000))
        journal = Journal(bus, POD, last=0, attempt=1)
        with pytest.raises(LimitReached):
            await journal.append({"type": "tool.result", "text": LONG})
        await journal.append({"type": "problem"})
        assert texts(await journal_of(bus)) == ["problem"]
        await bus.close()


class TestReader:
    @pytest.mark.parametrize("after", range(8))
    async def test_reading_on_after_any_entry_misses_none(self, bus: LossyBus, after: int) -> None:
        """Long entries of two writers are stored between each other's frames."""
        pod, gateway = (Journal(bus, subjects.journal("u1", who), last=0, attempt=1) for who in ("pod", "gw"))
        await asyncio.gather(
            *(journal.append({"type": "progress", "text": LONG + str(n)}) for n in range(2) for journal in (pod, gateway))
        )
        await pod.append({"type": "result"})
        whole = await journal_of(bus)
        assert len(whole) == 5
        assert await journal_of(bus, after=after) == [entry for entry in whole if entry.sequence > after]

    async def test_following_sees_entries_as_they_are_completed(self, bus: LossyBus) -> None:
        journal = Journal(bus, POD, last=0, attempt=1)
        found: list[Any] = []

        async def follow() -> None:
            async for entry in read_entries(bus, "u1", follow=True):
                found.append(entry.entry.get("text"))
                if len(found) == 3:
                    return

        task = asyncio.create_task(follow())
        for text in ("a", LONG, "b"):
            await journal.append({"type": "progress", "text": text})
        await asyncio.wait_for(task, 10)
        assert found == ["a", LONG, "b"]

    @pytest.mark.parametrize("data", [b"", b"{", b"[1]", b'{"no": "type"}', b'{"type": 3}', b"\xff\xfe", b"[" * 100_000])
    async def test_what_is_no_entry_is_shown_as_a_problem(self, bus: LossyBus, data: bytes) -> None:
        await bus.append(POD, data)
        await bus.append(POD, b'{"type": "result"}')
        problem, result = await journal_of(bus)
        assert (problem.entry["type"], problem.entry["where"], result.entry["type"]) == ("problem", POD, "result")

    @pytest.mark.parametrize(
        "headers",
        [
            [{"Sympozium-Entry": "a", "Sympozium-Index": "0"}, {"Sympozium-Entry": "a", "Sympozium-Index": "2"}],
            [{"Sympozium-Entry": "a", "Sympozium-Index": "0"}, {"Sympozium-Entry": "b", "Sympozium-Index": "1"}],
            [{"Sympozium-Entry": "a", "Sympozium-Index": "1"}],
            [{"Sympozium-Entry": "a"}],
            [{"Sympozium-Entry": "a", "Sympozium-Index": "-1"}],
            [{"Sympozium-Entry": "a", "Sympozium-Index": "1", "Sympozium-First": "999999999999999"}],
            [{"Sympozium-Entry": "a", "Sympozium-Index": "9" * 5000}],
        ],
    )
    async def test_forged_frames_harm_nothing(self, bus: LossyBus, headers: list[dict[str, str]]) -> None:
        for one in headers:
            await bus.append(POD, b"half", headers=one)
        await bus.append(POD, b'{"type": "result"}')
        found = await journal_of(bus)
        assert found[-1].entry == {"type": "result"}
        assert all(entry.entry["type"] == "problem" for entry in found[:-1])

    async def test_an_endless_entry_is_a_problem_and_not_memory(self, bus: LossyBus) -> None:
        async def endless() -> AsyncIterator[Message]:
            for index in range(MAX_ENTRY_BYTES // FRAME_BYTES + 2):
                yield Message(POD, bytes(FRAME_BYTES), {frames.ENTRY: "a", frames.INDEX: str(index)}, sequence=index + 1)

        found = [entry async for entry in entries(endless())]
        assert found[0].entry["what"] == "frames of an entry do not fit together"

    def test_one_message_may_be_an_entry(self) -> None:
        data = json.dumps({"type": "result"}).encode()
        assert entry_of(Message(POD, data, sequence=7)) == (7, "pod", {"type": "result"})
        assert entry_of(Message(POD, data, {frames.ENTRY: "a"}, sequence=7)) is None
