"""The record of plugin states: shared by processes, never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sympozium_core.registry.record import MAX_ENTRIES, MAX_REASON, Record


class FixedClock:
    def now(self) -> float:
        return 1790000000.0

    def monotonic(self) -> float:
        return 1.0


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record = Record(tmp_path / "deep" / "plugins.json", FixedClock())
    assert record.read() == {}
    assert record.write("g", "one", ok=False, reason="a\n  b", version="1", distribution="d")
    assert record.write("g", "two", ok=True)
    states = record.read()
    assert list(states) == [("g", "one"), ("g", "two")]
    state = states["g", "one"]
    assert (state.ok, state.reason, state.at, state.version, state.distribution) == (False, "a b", 1790000000.0, "1", "d")
    record.write("g", "one", ok=True, reason="x" * 9999)
    assert record.read()["g", "one"].reason == "x" * MAX_REASON
    assert sorted(os.listdir(tmp_path / "deep")) == ["plugins.json", "plugins.json.lock"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"version": 2, "plugins": {"g/a": 1}}',
        b'{"version": 1, "plugins": []}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_broken_file_costs_the_states_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "plugins.json"
    path.write_bytes(content)
    record = Record(path)
    assert record.read() == {}
    assert record.write("g", "a", ok=True)
    assert record.read()["g", "a"].ok


def test_a_broken_entry_is_left_out(tmp_path: Path) -> None:
    good = {"ok": True, "reason": "", "at": 1, "version": "1", "distribution": "d"}
    plugins = {"g/a": 1, "g/b": {}, "g/c": {**good, "at": "soon"}, "g/d": None, "g/good": good}
    (tmp_path / "plugins.json").write_text(json.dumps({"version": 1, "plugins": plugins}))
    assert list(Record.in_directory(tmp_path).read()) == [("g", "good")]


def test_a_place_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    record = Record(tmp_path / "file" / "plugins.json")
    assert not record.write("g", "a", ok=True)
    assert record.read() == {}


def test_the_oldest_entries_go_when_there_are_too_many(tmp_path: Path) -> None:
    plugins = {
        f"g/{number}": {"ok": True, "reason": "", "at": 1, "version": "", "distribution": ""} for number in range(MAX_ENTRIES)
    }
    (tmp_path / "plugins.json").write_text(json.dumps({"version": 1, "plugins": plugins}))
    record = Record.in_directory(tmp_path)
    record.write("g", "newest", ok=True)
    states = record.read()
    assert len(states) == MAX_ENTRIES
    assert ("g", "newest") in states
    assert ("g", "0") not in states


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from sympozium_core.registry.record import Record\n"
        "for number in range(20): Record.in_directory(Path(sys.argv[1])).write('g', f'{sys.argv[2]}-{number}', ok=True)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(each)]) for each in range(3)]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0, 0]
    assert len(Record.in_directory(tmp_path).read()) == 60
