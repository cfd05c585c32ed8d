"""A run's journal: one writer for each subject, and readers that see whole entries only. Formats: `docs/architecture.md`, "The journal".

An entry that fits one frame is one message of plain JSON. A longer one is several messages on the same subject with an entry id, an
index and a last mark; it counts from the moment its last frame is stored, and its sequence is that frame's. A writer that dies in the
middle leaves frames that every reader drops, because the next frame on the subject begins another entry.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from sympozium_core.bus import frames
from sympozium_core.bus.subjects import journal as journal_subject
from sympozium_core.contracts.bus import Bus, BusUnavailable, Message
from sympozium_core.errors import Permanent

MAX_ENTRY_BYTES = 32 * 1024 * 1024
PATIENCE = 30.0
"""Seconds for which an append whose outcome is unknown is tried again; well within the duplicate window of 120 s."""

_MAX_PARTIAL = 16
"""Unfinished entries that a reader keeps at once; a reader of many runs meets some that are never finished."""


class EntryType(StrEnum):
    """`type` of an entry, by who writes it: `.ctl`, `.pod`, `.gw`."""

    ATTEMPT = "attempt"
    CANCEL = "cancel"
    ENDED = "ended"
    HOOK = "hook"
    POLICY = "policy"

    STARTED = "started"
    TOOL_WAITING = "tool.waiting"
    TOOL_REQUESTED = "tool.requested"
    TOOL_DENIED = "tool.denied"
    TOOL_RESULT = "tool.result"
    PROGRESS = "progress"
    PROBLEM = "problem"
    RESULT = "result"

    MODEL_REQUEST = "model.request"
    MODEL_ANSWER = "model.answer"
    MODEL_ERROR = "model.error"
    FETCH_REQUEST = "fetch.request"
    FETCH_ANSWER = "fetch.answer"


FAILURE_BUDGET = "budget"
"""`failure` of a `model.error` that no provider has answered: a limit of the run was reached."""


class JournalEntry(NamedTuple):
    sequence: int
    """Of the entry's last frame: a reader goes on after it."""
    source: str
    """Who wrote it: the last token of the subject, `subjects.POD`, GATEWAY or CONTROL."""
    entry: dict[str, Any]


@dataclass
class _Unfinished:
    """An entry that is being appended: kept until its last frame is acknowledged, so that a caller may try again."""

    entry: Mapping[str, Any]
    frames: list[bytes]
    id: str
    done: int = 0
    """Frames acknowledged."""
    first: int = 0
    """Sequence of the first frame."""
    in_doubt: bool = False
    """Frame `done` has been sent, its acknowledgement has not come."""


class Journal:
    """Appends to one subject, each append expecting the one before: whoever else has appended since makes it raise `Fenced`.

    Appends from several tasks are put in a row. After `BusUnavailable` (or a cancelled append) the outcome is unknown; appending an equal
    entry again completes that one instead of writing it twice, and appending another first settles the frame in doubt.
    """

    def __init__(
        self,
        bus: Bus,
        subject: str,
        *,
        last: int,
        attempt: int,
        patience: float = PATIENCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.subject = subject
        self.last = last
        """Sequence of the newest message on the subject, as far as this writer knows."""
        self._bus, self._attempt, self._patience, self._now = bus, attempt, patience, now
        self._lock = asyncio.Lock()
        self._unfinished: _Unfinished | None = None

    @classmethod
    async def open(cls, bus: Bus, subject: str, *, attempt: int, patience: float = PATIENCE) -> Journal:
        """Goes on after what is stored now; for users that may read the stream."""
        newest = await bus.last(subject)
        return cls(bus, subject, last=newest.sequence if newest else 0, attempt=attempt, patience=patience)

    async def append(self, entry: Mapping[str, Any]) -> int:
        """Stores the entry (`type` and its fields; `at` and `attempt` are added) and returns its sequence once it is durable.

        Raises Fenced, LimitReached, BusDenied, BusUnavailable (after `patience`), and Permanent for an entry that is no JSON or too long.
        """
        async with self._lock:
            unfinished = self._unfinished
            if unfinished is not None and unfinished.entry != entry:
                await self._settle(unfinished)
                unfinished = None
            if unfinished is None:
                unfinished = self._unfinished = self._cut(entry)
            while unfinished.done < len(unfinished.frames):
                await self._append_frame(unfinished)
            self._unfinished = None
            return self.last

    async def _settle(self, unfinished: _Unfinished) -> None:
        """Learns what became of a frame in doubt; the rest of that entry is given up."""
        if unfinished.in_doubt:
            await self._append_frame(unfinished)
        self._unfinished = None

    def _cut(self, entry: Mapping[str, Any]) -> _Unfinished:
        whole = {"at": round(self._now(), 6), "attempt": self._attempt, **entry}
        try:
            data = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise Permanent(f"a journal entry of type {entry.get('type')!r} is not JSON: {error}") from error
        if len(data) > MAX_ENTRY_BYTES:
            raise Permanent(f"a journal entry of {len(data)} bytes is longer than {MAX_ENTRY_BYTES}", hint="store an artifact")
        return _Unfinished(dict(entry), list(frames.cut(data, frames.frame_bytes(self._bus))), secrets.token_hex(12))

    async def _append_frame(self, unfinished: _Unfinished) -> None:
        headers: dict[str, str] = {}
        if len(unfinished.frames) > 1:
            headers = {frames.ENTRY: unfinished.id, frames.INDEX: str(unfinished.done)}
            if unfinished.done:
                headers[frames.FIRST] = str(unfinished.first)
            if unfinished.done == len(unfinished.frames) - 1:
                headers[frames.LAST] = "1"
        unfinished.in_doubt = True
        try:
            sequence = await self._append_once(
                unfinished.frames[unfinished.done], f"{unfinished.id}.{unfinished.done}", headers
            )
        except Permanent:
            self._unfinished = None
            raise
        unfinished.in_doubt = False
        unfinished.first = unfinished.first or sequence
        unfinished.done += 1
        self.last = sequence

    async def _append_once(self, data: bytes, message_id: str, headers: Mapping[str, str]) -> int:
        """Tries until the outcome is known, always with the same message id."""
        give_up = time.monotonic() + self._patience
        pause = 0.02
        while True:
            try:
                ack = await self._bus.append(
                    self.subject, data, expected_last=self.last, message_id=message_id, headers=headers or None
                )
            except BusUnavailable:
                if time.monotonic() + pause > give_up:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)
            else:
                return ack.sequence


Fetch = Callable[[str, int], AsyncIterator[Message]]
"""Stored messages on a subject with a sequence above the given one; `Bus.read` with `after` is one."""


async def entries(messages: AsyncIterator[Message], *, fetch: Fetch | None = None) -> AsyncGenerator[JournalEntry, None]:
    """Whole entries from stored messages, of one run or of many, in the order in which they were completed.

    With `fetch`, an entry that began before the first message is fetched from its beginning; without, it is left out. What is not an
    entry (broken JSON, too long, frames that contradict each other) is yielded as an entry of type ``problem``; an entry that its
    writer gave up is nothing.
    """
    partial: dict[str, _Partial] = {}
    async for message in messages:
        source = message.subject.rpartition(".")[2]
        if frames.ENTRY not in message.headers:
            partial.pop(message.subject, None)
            yield JournalEntry(message.sequence, source, _decode(message.subject, message.data))
            continue
        gathered = partial.get(message.subject)
        index = frames.number(message.headers, frames.INDEX)
        first = frames.number(message.headers, frames.FIRST)
        if index == 0:
            while len(partial) >= _MAX_PARTIAL:
                del partial[next(iter(partial))]
            gathered = partial[message.subject] = _Partial(message.headers[frames.ENTRY])
        elif (gathered is None or gathered.id != message.headers[frames.ENTRY]) and fetch is not None and first > 0:
            gathered = await _fetch_beginning(fetch, message, first)
            if gathered is not None:
                partial[message.subject] = gathered
        if gathered is None or not gathered.add(message, index):
            if gathered is not None:
                del partial[message.subject]
                yield JournalEntry(
                    message.sequence, source, _problem("frames of an entry do not fit together", message.subject)
                )
        elif frames.LAST in message.headers:
            del partial[message.subject]
            yield JournalEntry(message.sequence, source, _decode(message.subject, b"".join(gathered.parts)))


def entry_of(message: Message) -> JournalEntry | None:
    """The entry that one message holds by itself; None for a frame of a longer one. For those who take messages from a durable consumer."""
    if frames.ENTRY in message.headers:
        return None
    return JournalEntry(message.sequence, message.subject.rpartition(".")[2], _decode(message.subject, message.data))


async def read_entries(
    bus: Bus, uid: str, *, who: str = "*", after: int = 0, follow: bool = False
) -> AsyncGenerator[JournalEntry, None]:
    """The journal of one run (`who`: one source, or all), whole entries completed after `after`; with `follow` it goes on until closed."""
    subject = journal_subject(uid, who)
    messages = bus.follow(subject, after=after) if follow else bus.read(subject, after=after)
    try:
        async with aclosing(entries(messages, fetch=lambda of, since: bus.read(of, after=since))) as whole:
            async for entry in whole:
                yield entry
    finally:
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()


class _Partial:
    """The frames so far of one long entry."""

    def __init__(self, entry_id: str) -> None:
        self.id = entry_id
        self.parts: list[bytes] = []
        self._size = 0

    def add(self, message: Message, index: int) -> bool:
        """False when the frame does not follow, or the entry grows too long."""
        self._size += len(message.data)
        if message.headers[frames.ENTRY] != self.id or index != len(self.parts) or self._size > MAX_ENTRY_BYTES:
            return False
        self.parts.append(message.data)
        return True


async def _fetch_beginning(fetch: Fetch, message: Message, first: int) -> _Partial | None:
    """The frames from `first` up to the message, or None when they are not there or are not of this entry."""
    gathered = _Partial(message.headers[frames.ENTRY])
    earlier = fetch(message.subject, first - 1)
    try:
        async for frame in earlier:
            if frame.sequence >= message.sequence:
                return gathered
            fits = frame.headers.get(frames.ENTRY) == gathered.id
            if not fits or not gathered.add(frame, frames.number(frame.headers, frames.INDEX)):
                return None
    finally:
        close = getattr(earlier, "aclose", None)
        if close is not None:
            await close()
    return None


def _decode(subject: str, data: bytes) -> dict[str, Any]:
    if len(data) > MAX_ENTRY_BYTES:
        return _problem(f"an entry of {len(data)} bytes is longer than {MAX_ENTRY_BYTES}", subject)
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return _problem("an entry is not JSON", subject)
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        return _problem("an entry is not an object with a type", subject)
    return entry


def _problem(what: str, subject: str) -> dict[str, Any]:
    return {"type": EntryType.PROBLEM.value, "what": what, "where": subject}
