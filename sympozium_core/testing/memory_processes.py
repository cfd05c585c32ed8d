"""Part of `memory.MemoryContract`: several processes at once, and those that are killed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sympozium_core.contracts.memory import MAX_NOTES, Memory
from sympozium_core.testing.memory_bench import Bench, contents

KILLS = (0, 1, 7)
"""Notes that were acknowledged when a writer is killed, in the middle of the next one or after it."""
BEGINNINGS = 10
MOMENTS = tuple(number * 0.0015 for number in range(6))
"""Seconds after a note was acknowledged at which a writer is killed, so that one or another is in the middle of something."""


class ProcessChecks:
    def test_what_another_process_stores_is_seen_at_once(self, bench: Bench) -> None:
        memory, other = bench.open(), bench.worker()
        assert list(memory.newest([], 10)) == list(memory.search("first", 10)) == []
        other.store(["First."], ["a"])
        assert contents(memory.newest(["a"], 10)) == contents(memory.search("first", 10)) == ["First."]
        memory.store("First.", ["b"])
        assert [note.tags for note in other.search("first")] == [("a", "b")]

    def test_who_has_it_open_holds_nobody_up(self, bench: Bench) -> None:
        memory, other = bench.open(), bench.worker()
        for number in range(5):
            memory.store(f"Mine {number}.", [])
            other.store([f"Theirs {number}."])
        assert len(memory.newest([], 20)) == len(other.newest()) == 10

    def test_processes_that_store_at_the_same_time_lose_nothing(self, bench: Bench) -> None:
        workers = bench.workers(4)
        wanted = [[f"Note {number} of {who}." for number in range(12)] for who in range(4)]
        for worker, mine in zip(workers, wanted, strict=True):
            worker.ask(store=mine, tags=["a"])
        stored = [note for worker in workers for _ in range(12) for note in worker.answer()]
        assert len({note.id for note in stored}) == 48, "an id was given twice"
        memory = bench.open()
        assert sorted(contents(memory.newest(["a"], MAX_NOTES))) == sorted(text for mine in wanted for text in mine)
        assert {note.id: note.content for note in memory.newest([], MAX_NOTES)} == {note.id: note.content for note in stored}

    def test_processes_may_begin_at_the_same_time(self, bench: Bench) -> None:
        """When there is nothing yet, each has to make what is needed, and none may be refused for that."""
        workers = bench.workers(4)
        for place in (bench.path / f"new-{number}" for number in range(BEGINNINGS)):
            for who, worker in enumerate(workers):
                worker.ask(open=str(place), store=[f"Of {who}."], tags=[])
            stored = [note for worker in workers for note in worker.answer()]
            assert len({note.id for note in stored}) == len(bench.open(place).newest([], 10)) == len(workers)

    def test_processes_that_store_the_same_make_one_note(self, bench: Bench) -> None:
        workers = bench.workers(3)
        texts = [f"Note {number}." for number in range(8)]
        for worker, tag in zip(workers, "abc", strict=True):
            worker.ask(store=texts, tags=[tag])
        ids = {(note.content, note.id) for worker in workers for _ in texts for note in worker.answer()}
        assert len(ids) == 8
        found = bench.open().newest([], MAX_NOTES)
        assert {note.content: set(note.tags) for note in found} == {text: {"a", "b", "c"} for text in texts}
        assert len(found) == 8

    def test_threads_at_once_lose_nothing(self, bench: Bench) -> None:
        memory = bench.open()

        def work(who: int) -> None:
            for number in range(5):
                memory.store(f"Note {number} of {who}.", [])
                assert memory.search(f"note {number}", 5)

        with ThreadPoolExecutor(6) as pool:
            bench.soon(lambda: list(pool.map(work, range(6))))
        assert len(memory.newest([], MAX_NOTES)) == 30

    @pytest.mark.parametrize("count", KILLS)
    def test_what_was_acknowledged_outlives_a_kill(self, bench: Bench, count: int) -> None:
        writer = bench.worker()
        writer.ask(store=[f"Note {number}." for number in range(5000)], tags=["a"])
        for _ in range(count):
            writer.answer()
        done = count + len(writer.kill())
        memory = bench.open()
        newest = contents(memory.newest([], MAX_NOTES))
        begun = int(newest[0].removeprefix("Note ").rstrip(".")) + 1 if newest else 0
        assert begun in (done, done + 1), f"{done} notes were acknowledged, {begun} are there"
        assert newest == [f"Note {number}." for number in reversed(range(max(0, begun - MAX_NOTES), begun))]
        assert contents(memory.search("note", 1)) or not begun

    def test_who_is_killed_holds_nobody_up(self, bench: Bench) -> None:
        """Neither those who have it open nor those who come later."""
        memory = bench.open()
        for which, moment in enumerate(MOMENTS):
            writer = bench.worker()
            writer.ask(store=[f"Note {number} of {which}." for number in range(5000)], tags=["a"])
            writer.answer()
            writer.kill(moment)
            self._still_works(bench, memory, f"After {which}.")
        self._still_works(bench, bench.open(), "At last.")

    def test_half_a_note_is_no_note(self, bench: Bench) -> None:
        """A note is there with all that it was stored with, and found as it is listed."""
        for which, moment in enumerate(MOMENTS):
            writer = bench.worker()
            writer.ask(store=[f"Note {number} of {which} " + "x" * 3000 for number in range(500)], tags=["one", "two"])
            writer.answer()
            writer.kill(moment)
        notes = bench.open().newest([], MAX_NOTES)
        assert all(len(note.content) > 3000 and note.tags == ("one", "two") for note in notes)
        again = bench.open()
        for note in notes[:8]:
            question = note.content[:20].partition(" x")[0]
            assert note in again.search(question, MAX_NOTES), "it is listed, and not found"

    @staticmethod
    def _still_works(bench: Bench, memory: Memory, text: str) -> None:
        bench.soon(lambda: memory.store(text, []))
        assert contents(bench.soon(lambda: memory.newest([], 1))) == [text]
