"""Notes in one SQLite file with a full-text index (https://www.sqlite.org/fts5.html), which several processes may have open at once."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TypeVar

from sympozium_core.contracts.memory import MAX_WORDS, Full, Memory, Note, Place, Unavailable

T = TypeVar("T")

FILE = "memory.db"
BUSY = 5.0
"""Seconds for which a call waits while another process writes."""
AGAIN = 0.005
"""Seconds after which it tries again where SQLite does not wait itself: while another process makes the file, or is the last to close it
(https://www.sqlite.org/wal.html, section 9)."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS memories (
    id INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE,
    tags TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    turn INTEGER NOT NULL DEFAULT 0
);
CREATE VIRTUAL TABLE IF NOT EXISTS memories_fts USING fts5(
    content, tags, content='memories', content_rowid='id', tokenize='porter unicode61'
);
CREATE TRIGGER IF NOT EXISTS memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts(rowid, content, tags) VALUES (new.id, new.content, new.tags);
END;
CREATE TRIGGER IF NOT EXISTS memories_changed AFTER UPDATE ON memories BEGIN
    INSERT INTO memories_fts(memories_fts, rowid, content, tags) VALUES ('delete', old.id, old.content, old.tags);
    INSERT INTO memories_fts(rowid, content, tags) VALUES (new.id, new.content, new.tags);
END;
"""
_ADD_TURN = "ALTER TABLE memories ADD COLUMN turn INTEGER NOT NULL DEFAULT 0"
_COLUMNS = "memories.id, memories.content, memories.tags, memories.updated_at"
_USED = "SELECT coalesce(sum(length(CAST(content AS BLOB)) + length(CAST(replace(tags, ' ', '') AS BLOB))), 0) FROM memories"
_STORE = (
    "INSERT INTO memories (content, tags, turn) VALUES (?1, ?2, (SELECT coalesce(max(turn), 0) + 1 FROM memories)) "
    "ON CONFLICT (content) DO UPDATE SET tags = excluded.tags, turn = excluded.turn, updated_at = strftime('%Y-%m-%dT%H:%M:%SZ')"
)
_NEWEST = "ORDER BY turn DESC, updated_at DESC, id DESC LIMIT ?"
"""Notes from before there were turns have their times; the clock may have been set back since, and has whole seconds."""


class SqliteMemory(Memory):
    """The file is opened for each call: nothing is held between two, so threads and other processes may come in between."""

    place: Place

    def open(self, place: Place) -> None:
        self.place = place
        try:
            place.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise _unavailable(error) from error
        self._ask(_prepare)

    def store(self, content: str, tags: Sequence[str]) -> Note:
        def work(database: sqlite3.Connection) -> Note:
            database.execute("BEGIN IMMEDIATE")
            found = _one(database, content)
            wanted = tuple(dict.fromkeys((*(found.tags if found else ()), *tags)))
            self._make_room(database, found, Note("", content, wanted, ""))
            database.execute(_STORE, (content, " ".join(wanted)))
            stored = _one(database, content)
            database.execute("COMMIT")
            assert stored is not None
            return stored

        return self._ask(work)

    def search(self, query: str, limit: int) -> list[Note]:
        words = list(dict.fromkeys(re.findall(r"\w+", query)))[:MAX_WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"*' for word in words)
        return self._notes(
            f"SELECT {_COLUMNS} FROM memories_fts JOIN memories ON memories.id = memories_fts.rowid "
            "WHERE memories_fts MATCH ? ORDER BY bm25(memories_fts), memories.turn DESC LIMIT ?",
            (match, limit),
        )

    def newest(self, tags: Sequence[str], limit: int) -> list[Note]:
        having = " AND ".join("instr(' ' || tags || ' ', ?)" for _ in tags) or "1"
        return self._notes(f"SELECT {_COLUMNS} FROM memories WHERE {having} {_NEWEST}", (*(f" {tag} " for tag in tags), limit))

    def _make_room(self, database: sqlite3.Connection, found: Note | None, wanted: Note) -> None:
        needed = _size(wanted) - (_size(found) if found else 0)
        used = int(database.execute(_USED).fetchone()[0])
        if needed > 0 and used + needed > self.place.max_bytes:
            raise Full(f"the memory has {used} of {self.place.max_bytes} bytes")

    def _notes(self, statement: str, values: tuple[object, ...]) -> list[Note]:
        return self._ask(lambda database: [_note(row) for row in database.execute(statement, values)])

    def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What the work gives, which is done once: as long as the file is busy, nothing of it has been."""
        end = time.monotonic() + BUSY
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                with closing(sqlite3.connect(self.place.folder / FILE, timeout=left, isolation_level=None)) as database:
                    database.execute("PRAGMA synchronous = FULL")
                    database.execute("PRAGMA temp_store = MEMORY")
                    return work(database)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or not left:
                    raise _unavailable(error) from error
            time.sleep(AGAIN)


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("BEGIN IMMEDIATE")
    for statement in _statements(_SCHEMA):
        database.execute(statement)
    if "turn" not in {row[1] for row in database.execute("PRAGMA table_info(memories)")}:
        database.execute(_ADD_TURN)
    database.execute("COMMIT")


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the memory cannot be used: {error}", hint="go on without it, or try again in a moment")


def _statements(script: str) -> Iterator[str]:
    """One by one, because `executescript` would end the transaction."""
    statement = ""
    for line in script.strip().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _one(database: sqlite3.Connection, content: str) -> Note | None:
    row = database.execute(f"SELECT {_COLUMNS} FROM memories WHERE content = ?", (content,)).fetchone()
    return None if row is None else _note(row)


def _note(row: tuple[int, str, str, str]) -> Note:
    if not all(isinstance(each, str) for each in row[1:]):
        raise sqlite3.DatabaseError(f"note {row[0]} is no text: something else has written into the file")
    return Note(str(row[0]), row[1], tuple(row[2].split(" ")) if row[2] else (), row[3])


def _size(note: Note) -> int:
    return len(note.content.encode()) + sum(len(tag.encode()) for tag in note.tags)
