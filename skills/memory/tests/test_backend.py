"""Which backend keeps the notes, and where."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sympozium_memory_sqlite.notes import SqliteMemory
from sympozium_skill_memory import backend, server

from sympozium_core.contracts.memory import Place, Unavailable
from sympozium_core.sidecar import Outcome

LINES = """
from sympozium_core.contracts.memory import Memory, Note

class Lines(Memory):
    def open(self, place):
        place.folder.mkdir(exist_ok=True)
        self.file = place.folder / "lines"

    def store(self, content, tags):
        with open(self.file, "a") as file:
            file.write(content + "\\n")
        return Note("7", content, tuple(tags), "2026-03-01T12:00:00Z")

    def search(self, query, limit):
        return []

    def newest(self, tags, limit):
        return [Note("7", line, (), "2026-03-01T12:00:00Z") for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def close(self):
        self.file.with_suffix(".closed").touch()

class NoMemory:
    pass

class Fails(Memory):
    open = store = search = newest = None

    def __init__(self):
        raise RuntimeError("not today")
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "a_lines_backend.py").write_text(LINES)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("SYMPOZIUM_MEMORY", str(tmp_path / "memory"))
    (tmp_path / "memory").mkdir()
    yield tmp_path / "memory"
    sys.modules.pop("a_lines_backend", None)


def choose(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("SYMPOZIUM_MEMORY_BACKEND", line)


def store(text: str) -> str:
    found = server.memory_store(text)
    assert isinstance(found, Outcome)
    return found.content


def files(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_each_has_a_folder_of_its_own_and_notes_come_back_with_their_backend(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store("Of SQLite.") == "stored as note 1"
    choose(monkeypatch, "lines=a_lines_backend:Lines")
    kept = "(this instance has had another memory, sqlite, whose notes are kept and not looked at)"
    assert server.memory_list() == f"there are no notes yet {kept}"
    assert server.memory_search("SQLite") == f"no note has any of these words {kept}"
    assert store("Of lines.") == "stored as note 7"
    assert "Of lines." in server.memory_list()
    assert files(place) == {"backends/sqlite/memory.db", "backends/lines/lines"}
    monkeypatch.delenv("SYMPOZIUM_MEMORY_BACKEND")
    assert "Of SQLite." in server.memory_list()
    assert "Of lines." not in server.memory_list()


def test_notes_from_before_there_were_backends_are_found_where_they_are(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SqliteMemory()
    old.open(Place(place, 1000))
    old.store("From before.", [])
    assert "From before." in server.memory_list()
    store("From now.")
    assert files(place) == {"memory.db"}
    choose(monkeypatch, "lines=a_lines_backend:Lines")
    assert "another memory, sqlite," in server.memory_list()


def test_an_empty_memory_of_an_only_backend_says_no_more() -> None:
    assert server.memory_list() == "there are no notes yet"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gone=a_backend_that_is_gone:Notes", "'gone' cannot be loaded: ModuleNotFoundError: No module named"),
        ("lines=a_lines_backend:Line", "'lines' cannot be loaded: AttributeError"),
        ("fails=a_lines_backend:Fails", "'fails' cannot be loaded: RuntimeError: not today"),
        (
            "none=a_lines_backend:NoMemory",
            "'none' is none: a_lines_backend:NoMemory is no subclass of sympozium_core.contracts",
        ),
    ],
)
def test_what_is_no_backend_is_said(line: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, line)
    with pytest.raises(Unavailable, match=said):
        server.memory_list()


def test_a_place_that_is_mended_is_used_without_a_new_start(place: Path) -> None:
    place.rmdir()
    place.write_text("in the way")
    for _ in range(2):
        with pytest.raises(Unavailable):
            server.memory_list()
    place.unlink()
    place.mkdir()
    assert store("Now.") == "stored as note 1"


def test_what_was_opened_is_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, "lines=a_lines_backend:Lines")
    server.memory_list()
    backend.close()
    assert files(place) == {"backends/lines/lines.closed"}
