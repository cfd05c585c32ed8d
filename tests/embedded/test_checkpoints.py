"""The write-ahead log stays short, whether checkpoints get through beside the commits or not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from sympozium_core.embedded import checkpoints, database
from sympozium_core.embedded.checkpoints import Checkpoints

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def connection(path: Path) -> Iterator[apsw.Connection]:
    connection = database.connect(path)
    connection.execute("CREATE TABLE filling (data BLOB)")
    yield connection
    connection.close()


@pytest.fixture
def tended(path: Path, connection: apsw.Connection) -> Iterator[Checkpoints]:
    tended = Checkpoints(path)
    tended.watch(connection)
    yield tended
    tended.close()


def write(connection: apsw.Connection, tended: Checkpoints) -> None:
    connection.execute("INSERT INTO filling VALUES (zeroblob(?))", (10 * PAGE,))
    tended.tend(connection)


def wal_pages(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size // PAGE


def test_a_checkpoint_runs_beside_the_commits(
    path: Path, connection: apsw.Connection, tended: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 50)
    monkeypatch.setattr(checkpoints, "STALLED_PAGES", 10**9)
    size, deadline = path.stat().st_size, time.monotonic() + 10
    while path.stat().st_size == size:  # only a checkpoint writes to the file itself
        assert time.monotonic() < deadline
        write(connection, tended)


def test_a_long_log_is_checkpointed_by_the_writer_itself(
    path: Path, connection: apsw.Connection, tended: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "STALLED_PAGES", 100)
    for _ in range(100):
        write(connection, tended)
    assert path.stat().st_size > 500 * PAGE
    assert wal_pages(path) < 150


def test_a_short_log_is_left_alone(path: Path, connection: apsw.Connection, tended: Checkpoints) -> None:
    size = path.stat().st_size
    for _ in range(100):
        write(connection, tended)
    tended.close()
    assert path.stat().st_size == size
    assert wal_pages(path) > 1000
