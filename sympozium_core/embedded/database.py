"""The tables of the object store, and the reads that the writer thread does not do.

`objects` holds the newest state of each object, `revisions` the watch log; both change in one transaction. `memory-mapped I/O` stays
off and the page cache private to each connection, so that a full disk is an error code and never a signal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from sympozium_core.contracts.cluster import Gone, Object, ResourceType, Unavailable
from sympozium_core.embedded.entries import Change, Entry, Key, Revision, Traits, make_entry

SCHEMA_VERSION = 1
BUSY_MS = 5000
PAGE = 500
"""Rows of the log that are read in one go."""

_SCHEMA = """
CREATE TABLE objects (
  resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  revision INTEGER NOT NULL, written REAL NOT NULL, data BLOB NOT NULL,
  UNIQUE (resource, namespace, name)
);
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, change TEXT NOT NULL,
  resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
  before TEXT, data BLOB NOT NULL
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO facts VALUES ('floor', 0);
"""

_UPSERT = """
INSERT INTO objects (resource, namespace, name, revision, written, data) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET revision = excluded.revision, written = excluded.written, data = excluded.data
"""
_LOG = "INSERT INTO revisions (number, change, resource, namespace, name, before, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"


def connect(path: Path) -> apsw.Connection:
    """A connection with full durability; the file is 0600, as SQLite then makes its companions. Raises Unavailable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", 2)
        connection.pragma("mmap_size", 0)
        connection.pragma("journal_size_limit", 64 * 1024 * 1024)
        connection.wal_autocheckpoint(0)  # the writer asks for checkpoints itself, beside its commits
    except (apsw.Error, OSError) as error:
        raise Unavailable(f"the store {path} cannot be opened: {error}", hint="check the disk and the file's owner") from error
    return connection


def prepare(connection: apsw.Connection) -> None:
    """Makes the tables of a new file. Raises Unavailable for a file of a newer release."""
    version = connection.pragma("user_version")
    if version == 0:
        with connection:
            connection.execute(_SCHEMA)
            connection.pragma("user_version", SCHEMA_VERSION)
    elif version != SCHEMA_VERSION:
        raise Unavailable(
            f"the store has format {version}, this release reads {SCHEMA_VERSION}", hint="use the release that wrote it"
        )


def load(connection: apsw.Connection, kinds: dict[str, ResourceType]) -> Iterator[Entry]:
    """All objects. Those of a kind that `kinds` lacks stay in the file, unseen."""
    rows = connection.execute("SELECT resource, namespace, name, revision, written, data FROM objects")
    for resource, _, _, revision, written, data in rows:
        if kind := kinds.get(resource):
            yield make_entry(kind, json.loads(data), data, revision=revision, written=written)


def last_revision(connection: apsw.Connection) -> int:
    """The number of the newest write that this file has seen."""
    return _number(
        connection, "SELECT max((SELECT ifnull(max(number), 0) FROM revisions), (SELECT value FROM facts WHERE name = 'floor'))"
    )


def floor(connection: apsw.Connection) -> int:
    """The newest number that was compacted away: a watch can resume from here or later."""
    return _number(connection, "SELECT value FROM facts WHERE name = 'floor'")


def log_length(connection: apsw.Connection) -> int:
    return _number(connection, "SELECT count(*) FROM revisions")


def write(connection: apsw.Connection, revision: Revision) -> None:
    """Inside a transaction of the caller's."""
    entry, key = revision.entry, revision.entry.key
    if revision.change == "DELETED":
        connection.execute(_REMOVE, key)
    else:
        connection.execute(_UPSERT, (*key, entry.revision, entry.written, entry.data))
    before = None if revision.before is None else json.dumps(revision.before)
    connection.execute(_LOG, (entry.revision, revision.change, *key, before, entry.data))


def prune(connection: apsw.Connection, rows: int) -> None:
    """Drops the oldest `rows` lines of the log, inside a transaction of the caller's."""
    oldest = "(SELECT number FROM revisions ORDER BY number LIMIT ?)"
    connection.execute(
        f"UPDATE facts SET value = max(value, (SELECT ifnull(max(number), 0) FROM {oldest})) WHERE name = 'floor'", (rows,)
    )
    connection.execute("DELETE FROM revisions WHERE number <= (SELECT value FROM facts WHERE name = 'floor')")


def read_log(connection: apsw.Connection, kind: ResourceType, after: int, until: int) -> tuple[list[Revision], int]:
    """Up to `PAGE` revisions of the kind with ``after < number <= until``, and the number up to which the log has been read.

    Raises Gone when revisions after `after` were compacted away.
    """
    with connection:  # one read transaction: the floor and the rows belong together
        if after < floor(connection):
            raise Gone(f"too old resource version: {after} ({floor(connection)})")
        rows: list[Any] = connection.execute(
            "SELECT number, change, namespace, name, before, data FROM revisions"
            " WHERE number > ? AND number <= ? AND resource = ? ORDER BY number LIMIT ?",
            (after, until, kind.resource, PAGE),
        ).fetchall()
    found = [_revision(kind, *row) for row in rows]
    return found, found[-1].number if len(found) == PAGE else until


def _revision(
    kind: ResourceType, number: int, change: Change, namespace: str, name: str, before: str | None, data: bytes
) -> Revision:
    obj: Object = json.loads(data)
    entry = make_entry(kind, obj, data, revision=number, written=0.0)
    assert entry.key == Key(kind.resource, namespace, name), "the log's columns and text disagree"
    return Revision(change, entry, None if before is None else Traits(*json.loads(before)))


def _number(connection: apsw.Connection, query: str) -> int:
    value = connection.execute(query).get
    return int(value)
