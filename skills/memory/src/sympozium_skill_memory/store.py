"""Notes in one SQLite file with a full-text index (https://www.sqlite.org/fts5.html), which several runs of one instance may have open at once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE = "memory.db"
BUSY = 5.0
"""Seconds for which a run waits while another writes."""
MAX_WORDS = 64
"""Of a question; the rest adds nothing."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS memories (
    id INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE,
    tags TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ'))
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
_COLUMNS = "memories.id, memories.content, memories.tags, memories.updated_at"


class Unavailable(Exception):
    """The file cannot be used, or not now."""


class Full(Exception):
    """There is no room for another note; the message says how much there is."""


@dataclass(frozen=True)
class Note:
    id: int
    content: str
    tags: tuple[str, ...]
    at: str
    """When it was stored or last confirmed, UTC."""


class Notes:
    """Opened for each call: a run holds nothing of it between two, so another may write."""

    def __init__(self, folder: Path, most: int) -> None:
        """`most`: bytes that all notes together may have."""
        self._file, self._most = folder / FILE, most

    def store(self, content: str, tags: Iterable[str]) -> Note:
        """The note; one that is there already gets the new tags besides its own. Raises Full, and Unavailable as all do."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            found = self._one(database, content)
            if found is None:
                self._make_room(database, content)
            wanted = dict.fromkeys((*(found.tags if found else ()), *tags))
            database.execute(
                "INSERT INTO memories (content, tags) VALUES (?, ?) ON CONFLICT (content) DO UPDATE "
                "SET tags = excluded.tags, updated_at = strftime('%Y-%m-%dT%H:%M:%SZ')",
                (content, " ".join(wanted)),
            )
            database.commit()
            stored = self._one(database, content)
            assert stored is not None
            return stored

    def search(self, query: str, most: int) -> list[Note]:
        """Notes that have any of the words, the best first: more of the words, rarer ones, and in shorter notes."""
        words = re.findall(r"\w+", query)[:MAX_WORDS]
        if not words:
            return []
        match = " OR ".join(f'"{word}"*' for word in words)
        with self._open() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM memories_fts JOIN memories ON memories.id = memories_fts.rowid "
                "WHERE memories_fts MATCH ? ORDER BY bm25(memories_fts), memories.id DESC LIMIT ?",
                (match, most),
            )
            return [_note(row) for row in rows]

    def newest(self, tags: Iterable[str], most: int) -> list[Note]:
        """Notes that have all of the tags, the newest first."""
        wanted = list(tags)
        having = " AND ".join("' ' || tags || ' ' LIKE ? ESCAPE '\\'" for _ in wanted) or "1"
        with self._open() as database:
            rows = database.execute(
                f"SELECT {_COLUMNS} FROM memories WHERE {having} ORDER BY updated_at DESC, id DESC LIMIT ?",
                (*(f"% {_literal(tag)} %" for tag in wanted), most),
            )
            return [_note(row) for row in rows]

    def count(self) -> int:
        with self._open() as database:
            return int(database.execute("SELECT count(*) FROM memories").fetchone()[0])

    def _make_room(self, database: sqlite3.Connection, content: str) -> None:
        used = int(database.execute("SELECT coalesce(sum(length(CAST(content AS BLOB))), 0) FROM memories").fetchone()[0])
        if used + len(content.encode()) > self._most:
            raise Full(f"the memory has {used} of {self._most} bytes")

    def _one(self, database: sqlite3.Connection, content: str) -> Note | None:
        row = database.execute(f"SELECT {_COLUMNS} FROM memories WHERE content = ?", (content,)).fetchone()
        return None if row is None else _note(row)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._file, timeout=BUSY, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(_SCHEMA)
                yield database
        except sqlite3.Error as error:
            raise Unavailable(f"the memory cannot be used: {error}; go on without it, or try again in a moment") from error


def _note(row: tuple[int, str, str, str]) -> Note:
    return Note(row[0], row[1], tuple(row[2].split()), row[3])


def _literal(tag: str) -> str:
    return tag.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
