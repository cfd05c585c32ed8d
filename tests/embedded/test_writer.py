"""Group commit on a real file: order, what a failure takes along, who is told and when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from sympozium_core.embedded.keylocks import Commit
from sympozium_core.embedded.writer import Transactions, Writer
from sympozium_core.errors import Permanent, SympoziumError, Temporary


class Lines(Transactions[str, int]):
    """Lines of text in SQLite. The gate holds up a commit, so that a batch gathers behind it."""

    name = "test-writer"
    batch = 8

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(str(path))
        self.connection.pragma("journal_mode", "wal")
        self.connection.execute("CREATE TABLE line (text TEXT UNIQUE CHECK (text != 'broken'))")
        self.gate = threading.Event()
        self.gate.set()
        self.committing = threading.Event()
        self.batches: list[list[str]] = []
        self.tended = 0

    def begin(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.batches.append([])

    def perform(self, job: str) -> int:
        self.batches[-1].append(job)
        if job == "refused":
            raise Permanent("not this one")
        if job == "alone" and len(self.batches[-1]) > 1:
            raise Permanent("not alone")
        if job == "bug":
            raise ZeroDivisionError
        self.connection.execute("INSERT INTO line VALUES (?)", (job,))
        return self.connection.last_insert_rowid()

    def commit(self) -> None:
        self.committing.set()
        assert self.gate.wait(10)
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def failure(self, error: Exception) -> SympoziumError:
        return Temporary(f"could not: {type(error).__name__}")

    def closed(self) -> SympoziumError:
        return Temporary("closed")

    def tend(self) -> None:
        self.tended += 1

    def close(self) -> None:
        self.connection.close()


class Bench:
    """A writer of `Lines`, and what it tells."""

    def __init__(self, path: Path, future: type[asyncio.Future[Any]]) -> None:
        self.path, self.lines = path, Lines(path)
        self.told: list[Any] = []
        self.writer = Writer(self.lines, self._committed, future=future)

    def _committed(self, written: Sequence[tuple[str, int]]) -> None:
        self.told.append([job for job, _ in written])

    async def together(self, *jobs: str) -> list[int | BaseException]:
        """Submits jobs while another commit is held up, so that they come in one batch."""
        self.lines.gate.clear()
        self.lines.committing.clear()
        first = self.writer.submit(f"before {len(self.lines.batches)}")
        assert await asyncio.to_thread(self.lines.committing.wait, 10)
        waiting = [self.writer.submit(job) for job in jobs]
        self.lines.gate.set()
        await first
        return await asyncio.gather(*waiting, return_exceptions=True)

    def stored(self) -> list[str]:
        return [text for (text,) in apsw.Connection(str(self.path)).execute("SELECT text FROM line ORDER BY rowid")]


@pytest.fixture
def future() -> type[asyncio.Future[Any]]:
    return asyncio.Future


@pytest.fixture
async def bench(tmp_path: Path, future: type[asyncio.Future[Any]]) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "lines.db", future)
    yield bench
    bench.lines.gate.set()
    await bench.writer.close()


async def test_a_lone_write_is_on_the_disk_when_it_is_answered(bench: Bench) -> None:
    assert await bench.writer.submit("a") == 1
    assert bench.stored() == ["a"]
    assert bench.told == [["a"]]


async def test_what_comes_during_a_commit_goes_into_the_next_in_order(bench: Bench) -> None:
    jobs = [f"{number:02}" for number in range(11)]
    assert await bench.together(*jobs) == list(range(2, 13))
    assert bench.lines.batches == [["before 0"], jobs[:8], jobs[8:]]
    assert bench.told == bench.lines.batches
    assert bench.stored() == ["before 0", *jobs]
    assert (await bench.together("x"), bench.lines.tended >= 4) == ([14], True)


async def test_a_job_that_is_refused_takes_nobody_along(bench: Bench) -> None:
    first, refused, last = await bench.together("a", "refused", "b")
    assert (first, str(refused), last) == (2, "not this one", 3)
    assert bench.lines.batches[1:] == [["a", "refused", "b"]], "one transaction, and no second"
    assert bench.told[1:] == [["a", "b"]]


@pytest.mark.parametrize(("job", "error"), [("broken", "ConstraintError"), ("bug", "ZeroDivisionError")])
async def test_a_job_that_breaks_the_transaction_fails_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture, job: str, error: str
) -> None:
    first, broken, refused, last = await bench.together("a", job, "refused", "b")
    assert (first, str(broken), str(refused), last) == (2, f"could not: {error}", "not this one", 3)
    assert isinstance(broken, Temporary)
    assert bench.stored() == ["before 0", "a", "b"]
    assert bench.told[1:] == [["a", "b"]]
    assert ("Traceback" in caplog.text) is (job == "bug")
    assert await bench.writer.submit("c") == 4, "the thread lives on"


async def test_a_refusal_in_a_transaction_that_broke_is_judged_again(bench: Bench) -> None:
    assert str((await bench.together("a", "alone"))[1]) == "not alone"
    assert [str(outcome) for outcome in await bench.together("b", "alone", "broken")] == [
        "4",
        "5",
        "could not: ConstraintError",
    ]
    assert bench.stored() == ["before 0", "a", "before 2", "b", "alone"]


async def test_it_is_told_before_those_who_wait_are_answered(bench: Bench) -> None:
    answered: list[int] = []
    waiting = [bench.writer.submit(job) for job in ("a", "b")]
    for each in waiting:
        each.add_done_callback(lambda _: answered.append(sum(map(len, bench.told))))
    await asyncio.gather(*waiting)
    assert answered[0] >= 1
    assert answered[1] == 2


async def test_nobody_waits_for_a_note(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.writer.note("a")
    bench.writer.note("broken")
    bench.writer.note("refused")
    assert await bench.writer.submit("b") == 2
    assert bench.stored() == ["a", "b"]
    assert "nobody waits for" in caplog.text
    assert "not this one" in caplog.text


async def test_a_write_whose_caller_has_gone_is_done_all_the_same(bench: Bench) -> None:
    bench.lines.gate.clear()
    waiting = [bench.writer.submit("a"), bench.writer.submit("b")]
    assert waiting[0].cancel()
    bench.lines.gate.set()
    assert await waiting[1] == 2
    assert bench.stored() == ["a", "b"]
    assert [job for batch in bench.told for job in batch] == ["a", "b"]


@pytest.mark.parametrize("future", [Commit])
async def test_the_owner_says_what_is_waited_for(bench: Bench) -> None:
    bench.lines.gate.clear()
    waiting = bench.writer.submit("a")
    assert not waiting.cancel()
    bench.lines.gate.set()
    assert await waiting == 1


async def test_closing_writes_what_is_queued_and_takes_no_more(bench: Bench) -> None:
    waiting = [bench.writer.submit(str(number)) for number in range(20)]
    await asyncio.gather(bench.writer.close(), bench.writer.close())
    assert [await each for each in waiting] == list(range(1, 21))
    assert sum(map(len, bench.told)) == 20
    with pytest.raises(Temporary, match="closed"):
        bench.writer.submit("late")
    bench.writer.note("late")
    await bench.writer.close()
    assert len(bench.stored()) == 20
    assert "test-writer" not in {thread.name for thread in threading.enumerate()}


def test_a_loop_that_is_gone_does_not_stop_the_thread(tmp_path: Path) -> None:
    async def leave() -> Bench:
        bench = Bench(tmp_path / "lines.db", asyncio.Future)
        bench.lines.gate.clear()
        bench.writer.note("a")
        return bench

    bench = asyncio.run(leave())
    bench.lines.gate.set()
    asyncio.run(bench.writer.close())
    assert bench.stored() == ["a"]
