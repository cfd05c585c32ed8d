"""What is peculiar to notes in SQLite; the rest is the conformance suite's matter."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sympozium_memory_sqlite.notes import FILE, SqliteMemory

from sympozium_core.contracts.memory import Place, Unavailable

FIRST_SCHEMA = """
CREATE TABLE memories (
    id INTEGER PRIMARY KEY,
    content TEXT NOT NULL UNIQUE,
    tags TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ')),
    updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%SZ'))
);
CREATE VIRTUAL TABLE memories_fts USING fts5(content, tags, content='memories', content_rowid='id', tokenize='porter unicode61');
CREATE TRIGGER memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memories_fts(rowid, content, tags) VALUES (new.id, new.content, new.tags);
END;
CREATE TRIGGER memories_changed AFTER UPDATE ON memories BEGIN
    INSERT INTO memories_fts(memories_fts, rowid, content, tags) VALUES ('delete', old.id, old.content, old.tags);
    INSERT INTO memories_fts(rowid, content, tags) VALUES (new.id, new.content, new.tags);
END;
INSERT INTO memories (content, tags, updated_at) VALUES ('Older, and confirmed later.', 'a b', '2026-03-02T00:00:00Z');
INSERT INTO memories (content, tags, updated_at) VALUES ('Newer.', '', '2026-03-01T00:00:00Z');
"""


def opened(folder: Path) -> SqliteMemory:
    memory = SqliteMemory()
    memory.open(Place(folder, 1 << 20))
    return memory


def test_words_are_found_by_their_stem_and_their_beginning(tmp_path: Path) -> None:
    memory = opened(tmp_path)
    memory.store("Deployments are restarted on Fridays.", [])
    for query in ("deployment", "restart", "frid"):
        assert memory.search(query, 5), query


def test_notes_of_the_first_schema_are_kept_in_their_order(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.executescript(FIRST_SCHEMA)
    memory = opened(tmp_path)
    assert [note.content for note in memory.newest([], 5)] == ["Older, and confirmed later.", "Newer."]
    assert [note.content for note in memory.search("confirmed", 5)] == ["Older, and confirmed later."]
    memory.store("Newer.", ["c"])
    opened(tmp_path).store("Newest.", [])
    assert [note.content for note in memory.newest([], 5)] == ["Newest.", "Newer.", "Older, and confirmed later."]


def test_who_still_has_the_first_schema_in_mind_can_go_on(tmp_path: Path) -> None:
    """A run that was started by the version before, beside one of this."""
    memory = opened(tmp_path)
    memory.store("One.", [])
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("INSERT INTO memories (content, tags) VALUES ('Two.', '')")
        database.commit()
    assert sorted(note.content for note in memory.newest([], 5)) == ["One.", "Two."]


def test_what_others_have_written_into_the_file_is_no_note(tmp_path: Path) -> None:
    """A skill of one's own may see the volume."""
    memory = opened(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("INSERT INTO memories (content, tags) VALUES (x'00ff', x'00')")
        database.commit()
    with pytest.raises(Unavailable, match="note 1 is no text"):
        memory.newest([], 5)
