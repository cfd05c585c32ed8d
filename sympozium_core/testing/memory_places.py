"""Part of `memory.MemoryContract`: the folder, and what may have happened to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sympozium_core.contracts.memory import Note, Unavailable
from sympozium_core.testing.memory_bench import Bench, contents


def _junk(file: Path) -> None:
    file.write_bytes(b"this is nothing that anybody has written here\n" * 200)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES: Mapping[str, Callable[[Path], None]] = {"junk": _junk, "cut": _cut, "empty": _empty}


def _a_file(folder: Path) -> Path:
    folder.write_text("in the way")
    return folder


def _below_a_file(folder: Path) -> Path:
    folder.write_text("in the way")
    return folder / "memory"


def _nowhere_to_write(folder: Path) -> Path:
    return Path("/proc/self/memory")


NO_PLACES: Mapping[str, Callable[[Path], Path]] = {
    "a-file": _a_file,
    "below-a-file": _below_a_file,
    "nowhere-to-write": _nowhere_to_write,
}
"""None of which lets root in either."""


class PlaceChecks:
    def test_it_is_made_without_work(self, bench: Bench) -> None:
        one, other = bench.memory_class(), bench.memory_class()
        assert type(one) is type(other)
        one.close()
        assert list(bench.path.iterdir()) == []

    def test_closing_twice_does_no_harm(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("One.", [])
        memory.close()
        memory.close()
        assert contents(bench.open().newest([], 10)) == ["One."]

    def test_a_folder_that_is_there_is_used(self, bench: Bench) -> None:
        bench.folder.mkdir()
        bench.open().store("One.", [])
        assert contents(bench.open().newest([], 10)) == ["One."]

    def test_notes_outlive_whoever_stored_them(self, bench: Bench) -> None:
        memory = bench.open()
        stored = [memory.store(f"Note {number}.", [f"t{number}"]) for number in range(3)]
        memory.close()
        again = bench.open()
        assert list(again.newest([], 10)) == stored[::-1]
        assert contents(again.search("t1", 1)) == ["Note 1."]
        assert contents(bench.worker().newest()) == contents(stored[::-1])

    def test_two_folders_are_two_memories(self, bench: Bench) -> None:
        one, other = bench.open(bench.path / "one"), bench.open(bench.path / "other")
        one.store("One.", [])
        assert list(other.newest([], 10)) == []
        other.store("Other.", [])
        assert contents(one.newest([], 10)) == ["One."]

    def test_it_writes_nowhere_but_in_its_folder(self, bench: Bench) -> None:
        around = [bench.path / name for name in ("home", "tmp", "work", "neighbour")]
        for each in around:
            each.mkdir()
        home, tmp, work, neighbour = around
        (neighbour / "memory.db").write_text("another's")
        worker = bench.worker(HOME=str(home), TMPDIR=str(tmp), PWD=str(work), XDG_CACHE_HOME=str(home / "cache"))
        worker.store([f"Note {number} " + "x" * 2000 for number in range(20)], ["a"])
        worker.search("note x")
        worker.newest(["a"])
        worker.kill()
        bench.open().store("One more.", [])
        found = {str(path.relative_to(bench.path)) for path in bench.path.rglob("*")}
        mine = {path for path in found if path.startswith(f"{bench.folder.name}/")}
        assert found - mine == {bench.folder.name, "home", "tmp", "work", "neighbour", "neighbour/memory.db"}
        assert (neighbour / "memory.db").read_text() == "another's"
        assert mine, "the notes are nowhere"

    @pytest.mark.parametrize("place", NO_PLACES)
    def test_a_place_that_cannot_be_used_is_unavailable(self, bench: Bench, place: str) -> None:
        folder = NO_PLACES[place](bench.folder)
        with pytest.raises(Unavailable) as refused:
            bench.open(folder).store("One.", [])
        assert refused.value.message.strip(), "it says nothing"

    def test_a_place_that_has_been_mended_is_used(self, bench: Bench) -> None:
        bench.folder.write_text("in the way")
        with pytest.raises(Unavailable):
            bench.open().store("One.", [])
        bench.folder.unlink()
        bench.open().store("One.", [])
        assert contents(bench.open().newest([], 10)) == ["One."]

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_damage_is_unavailable_or_overcome(self, bench: Bench, damage: str) -> None:
        """Nothing is told that nobody has stored, and nothing else is raised."""
        memory = bench.open()
        kept = [f"Note {number}." for number in range(30)]
        for text in kept:
            memory.store(text, [])
        memory.close()
        for file in sorted(bench.folder.rglob("*")):
            if file.is_file():
                DAMAGES[damage](file)
        found: list[Note] = []
        with contextlib.suppress(Unavailable):
            again = bench.open()
            found += [*again.newest([], 50), *again.search("note", 50)]
            again.store("One more.", [])
        assert set(contents(found)) <= set(kept)
