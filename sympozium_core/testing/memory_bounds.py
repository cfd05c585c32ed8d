"""Part of `memory.MemoryContract`: how much there is room for."""

from __future__ import annotations

import contextlib

import pytest

from sympozium_core.contracts.memory import MAX_NOTES, Full
from sympozium_core.testing.memory_bench import Bench, Worker, contents

ROOM = 1000
OVERHEAD = 512 << 10
"""Bytes that a backend may have for itself, whatever little it keeps."""


class BoundChecks:
    def test_a_full_memory_refuses_and_keeps_what_it_has(self, bench: Bench) -> None:
        memory = bench.open(room=ROOM)
        kept = [memory.store(letter * 300, [letter]) for letter in "abc"]
        with pytest.raises(Full):
            memory.store("d" * 300, ["d"])
        assert list(memory.newest([], 10)) == kept[::-1]
        assert list(memory.newest(["d"], 10)) == []
        assert list(memory.search("d" * 300, 10)) == []
        assert contents(bench.open(room=ROOM).newest([], 10)) == contents(kept[::-1])

    def test_a_note_that_fits_exactly_is_stored_and_one_byte_more_is_not(self, bench: Bench) -> None:
        memory = bench.open(room=ROOM)
        memory.store("a" * (ROOM - 100), [])
        with pytest.raises(Full):
            memory.store("b" * 101, [])
        memory.store("b" * 100, [])
        with pytest.raises(Full):
            memory.store("c", [])

    def test_bytes_are_counted_and_not_characters(self, bench: Bench) -> None:
        memory = bench.open(room=ROOM)
        memory.store("ä" * (ROOM // 2), [])
        with pytest.raises(Full):
            memory.store("b", [])

    def test_tags_are_counted(self, bench: Bench) -> None:
        memory = bench.open(room=100)
        memory.store("a" * 40, ["t" * 40])
        with pytest.raises(Full):
            memory.store("b" * 21, [])

    def test_tags_that_are_added_are_counted(self, bench: Bench) -> None:
        """Or one note could have more and more of them."""
        memory = bench.open(room=100)
        memory.store("a" * 40, ["one"])
        with pytest.raises(Full):
            memory.store("a" * 40, ["t" * 40, "u" * 40])
        assert [note.tags for note in memory.newest([], 10)] == [("one",)]

    def test_what_is_there_already_needs_no_room(self, bench: Bench) -> None:
        memory = bench.open(room=ROOM)
        memory.store("a" * 500, ["a"])
        memory.store("b" * 499, [])
        assert memory.store("a" * 500, ["a"]).tags == ("a",)
        assert [note.content[0] for note in memory.newest([], 10)] == ["a", "b"]

    def test_a_refusal_says_how_much_there_is(self, bench: Bench) -> None:
        memory = bench.open(room=ROOM)
        memory.store("a" * 800, [])
        with pytest.raises(Full) as refused:
            memory.store("b" * 400, [])
        assert "800" in refused.value.message
        assert str(ROOM) in refused.value.message

    def test_a_smaller_bound_loses_nothing(self, bench: Bench) -> None:
        bench.open(room=ROOM).store("a" * 800, [])
        memory = bench.open(room=500)
        assert contents(memory.newest([], 10)) == ["a" * 800]
        with pytest.raises(Full):
            memory.store("b", [])
        assert memory.store("a" * 800, []).content == "a" * 800

    def test_a_larger_bound_makes_room(self, bench: Bench) -> None:
        bench.open(room=ROOM).store("a" * 800, [])
        memory = bench.open(room=2 * ROOM)
        memory.store("b" * 800, [])
        assert len(memory.newest([], 10)) == 2

    def test_the_bound_is_of_all_processes_together(self, bench: Bench) -> None:
        workers = bench.workers(3, room=ROOM)
        for worker, letter in zip(workers, "abc", strict=True):
            worker.ask(store=[f"{letter}{number:02}" + "." * 97 for number in range(12)], tags=[])
        stored = sum(self._until_full(worker) for worker in workers)
        assert stored == len(bench.open(room=ROOM).newest([], MAX_NOTES)) == 10

    @staticmethod
    def _until_full(worker: Worker) -> int:
        """How many notes it stored before it was refused."""
        count = 0
        with contextlib.suppress(Full):
            while worker.answer():
                count += 1
        return count

    def test_what_is_stored_again_and_again_does_not_grow(self, bench: Bench) -> None:
        memory = bench.open(room=10_000)
        for number in range(180):
            memory.store(f"{number % 2}" + "x" * 3999, ["t"])
        memory.close()
        used = sum(file.stat().st_blocks * 512 for file in bench.folder.rglob("*") if file.is_file())
        assert used <= OVERHEAD, f"{used} bytes on disk, for two notes of 4,000"
