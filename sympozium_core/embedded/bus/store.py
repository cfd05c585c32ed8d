"""The tables of the embedded bus, used by the writer thread alone: appends with fencing and duplicates, purge, consumers' state.

One sequence for all subjects, never given twice, even after a purge.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import apsw

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Ack, BusUnavailable, Fenced, LimitReached, Message
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.writer import Transactions
from sympozium_core.errors import Permanent, SympoziumError

_VERSION = 1
_OVERHEAD = 64
"""Bytes counted for a message beyond its data and headers."""

_SCHEMA = """
CREATE TABLE message (sequence INTEGER PRIMARY KEY, uid TEXT NOT NULL, who TEXT NOT NULL, time REAL NOT NULL,
                      message_id TEXT NOT NULL, headers TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX message_by_subject ON message (uid, who, sequence);
CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO state VALUES ('sequence', 0), ('bytes', 0);
CREATE TABLE consumer (name TEXT PRIMARY KEY, subject TEXT NOT NULL, delivered INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (consumer TEXT NOT NULL, sequence INTEGER NOT NULL, deliveries INTEGER NOT NULL,
                      PRIMARY KEY (consumer, sequence)) WITHOUT ROWID;
"""


def open_database(path: Path, *, readonly: bool = False) -> apsw.Connection:
    """A connection with full durability: an acknowledged append survives the loss of power."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(10_000)
    if readonly:
        return connection
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    version = connection.pragma("user_version")
    if version == 0:
        with connection:
            connection.execute(_SCHEMA)
            connection.pragma("user_version", _VERSION)
    elif version != _VERSION:
        connection.close()
        raise Permanent(f"{path.name} has format {version}, this version of Sympozium writes {_VERSION}")
    return connection


@dataclass(frozen=True)
class Append:
    """One append as the port has it, checked."""

    subject: str
    data: bytes
    expected_last: int | None
    message_id: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Stored:
    ack: Ack
    message: Message | None
    """None for a duplicate."""


@dataclass
class _Undo:
    sequence: int
    bytes: int
    message_ids: list[str] = field(default_factory=list)


Job: TypeAlias = Callable[["MessageStore"], Any]
"""What the writer runs inside a transaction, such as ``lambda store: store.append(append)``; when it raises a SympoziumError it has written nothing."""


class MessageStore(Transactions[Job, Any]):
    """Wraps the writer's connection."""

    name = "sympozium-bus-writer"
    batch = 256

    def __init__(self, path: Path, limits: BusLimits, now: Callable[[], float] = time.time) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self.connection = open_database(path)
        self._limits, self._now = limits, now
        state = dict(self.connection.execute("SELECT name, value FROM state"))
        self.sequence: int = state["sequence"]
        self.bytes: int = state["bytes"]
        self._message_ids: OrderedDict[str, tuple[int, float]] = OrderedDict(reversed(list(self._recent_ids())))
        self._undo = _Undo(self.sequence, self.bytes)

    def _recent_ids(self) -> Iterator[tuple[str, tuple[int, float]]]:
        """Message ids within the window, newest first."""
        since = self._now() - self._limits.duplicate_window
        for sequence, at, message_id in self.connection.execute(
            "SELECT sequence, time, message_id FROM message ORDER BY sequence DESC"
        ):
            if at < since:
                return
            if message_id:
                yield message_id, (sequence, at)

    def begin(self) -> None:
        self._undo = _Undo(self.sequence, self.bytes)
        self.connection.execute("BEGIN IMMEDIATE")

    def perform(self, job: Job) -> Any:
        return job(self)

    def commit(self) -> None:
        if (self.sequence, self.bytes) != (self._undo.sequence, self._undo.bytes):
            values = (self.sequence, self.bytes)
            self.connection.execute("UPDATE state SET value = CASE name WHEN 'sequence' THEN ? ELSE ? END", values)
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        with suppress(apsw.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        self.sequence, self.bytes = self._undo.sequence, self._undo.bytes
        for message_id in self._undo.message_ids:
            self._message_ids.pop(message_id, None)

    def failure(self, error: Exception) -> SympoziumError:
        if isinstance(error, apsw.FullError):
            return LimitReached("the disk of the bus is full; nothing was stored", hint="free space or delete old runs")
        return BusUnavailable(f"the bus could not write: {type(error).__name__}")

    def closed(self) -> BusUnavailable:
        return BusUnavailable("the bus is closed")

    def append(self, append: Append) -> Stored:
        now = self._now()
        if append.message_id and (known := self._known(append.message_id, now)) is not None:
            return Stored(Ack(known, duplicate=True), None)
        tokens = append.subject.split(".")
        uid, who = tokens[2], tokens[3]
        if append.expected_last is not None and (last := self._last(uid, who)) != append.expected_last:
            raise Fenced(f"the last message on {append.subject} is {last}, not {append.expected_last}: another writer was here")
        headers = json.dumps(dict(append.headers), separators=(",", ":")) if append.headers else ""
        size = len(append.data) + len(headers) + _OVERHEAD
        if self.bytes + size > self._limits.max_bytes:
            raise LimitReached(f"the journals hold {self.bytes} of {self._limits.max_bytes} bytes; delete old runs")
        sequence = self.sequence + 1
        self.connection.execute(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)",
            (sequence, uid, who, now, append.message_id, headers, append.data),
        )
        self.sequence, self.bytes = sequence, self.bytes + size
        if append.message_id:
            self._message_ids[append.message_id] = (sequence, now)
            self._undo.message_ids.append(append.message_id)
        return Stored(Ack(sequence), Message(append.subject, append.data, dict(append.headers), sequence=sequence, time=now))

    def _known(self, message_id: str, now: float) -> int | None:
        since = now - self._limits.duplicate_window
        while self._message_ids:
            oldest = next(iter(self._message_ids))
            if self._message_ids[oldest][1] >= since:
                break
            del self._message_ids[oldest]
        known = self._message_ids.get(message_id)
        return known[0] if known else None

    def _last(self, uid: str, who: str) -> int:
        row = self.connection.execute("SELECT max(sequence) FROM message WHERE uid = ? AND who = ?", (uid, who)).get
        return int(row or 0)

    def purge(self, uid: str, who: str, most: int) -> int:
        """Removes up to `most` of the oldest messages of the filter; returns how many. Called again until it is less."""
        condition, values = where(uid, who)
        rows = self.connection.execute(
            f"SELECT sequence, length(data) + length(headers) FROM message {condition} ORDER BY sequence LIMIT ?",
            (*values, most),
        ).fetchall()
        for sequence, size in rows:
            self.connection.execute("DELETE FROM message WHERE sequence = ?", (sequence,))
            self.bytes -= _whole(size) + _OVERHEAD
        return len(rows)

    def open_consumer(self, name: str, subject: str) -> tuple[int, dict[int, int]]:
        """The last sequence delivered, and those not acknowledged with the times that each was delivered. Makes the consumer when it is new."""
        self.connection.execute("INSERT OR IGNORE INTO consumer VALUES (?, ?, 0)", (name, subject))
        known, delivered = self.connection.execute(
            "SELECT subject, delivered FROM consumer WHERE name = ?", (name,)
        ).fetchall()[0]
        if known != subject:
            raise Permanent(f"consumer {name} is on {known}, not on {subject}", hint="take another name")
        pending = self.connection.execute("SELECT sequence, deliveries FROM pending WHERE consumer = ?", (name,))
        return _whole(delivered), {_whole(sequence): _whole(deliveries) for sequence, deliveries in pending}

    def consumed(self, name: str, position: int, changes: Mapping[int, int]) -> None:
        """A consumer has had everything up to the position. `changes`: how often each message that it holds was delivered; 0 for acknowledged."""
        for sequence, deliveries in changes.items():
            if deliveries:
                self.connection.execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (name, sequence, deliveries))
            else:
                self.connection.execute("DELETE FROM pending WHERE consumer = ? AND sequence = ?", (name, sequence))
        self.connection.execute("UPDATE consumer SET delivered = max(delivered, ?) WHERE name = ?", (position, name))

    def close(self) -> None:
        self.connection.close()


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def where(uid: str, who: str) -> tuple[str, tuple[str, ...]]:
    """The SQL condition of a filter that `subjects.journal_filter` has read."""
    if uid == "*":
        return ("", ()) if who == "*" else ("WHERE who = ?", (who,))
    if who == "*":
        return f"WHERE uid = ? AND who IN ('{subjects.POD}', '{subjects.GATEWAY}', '{subjects.CONTROL}')", (uid,)
    return "WHERE uid = ? AND who = ?", (uid, who)
