"""The supervisor: what crashes comes back, what cannot be mended is said, what stops is waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.backoff import BackOff
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.reconcile.supervisor import Supervisor

QUICK = BackOff(first=0.001, longest=0.005)


class Work:
    """Raises its problems one after the other, then goes on for ever; notes its starts and ends."""

    def __init__(self, *problems: BaseException) -> None:
        self.problems = list(problems)
        self.starts = 0
        self.ends = 0

    async def __call__(self) -> None:
        self.starts += 1
        try:
            if self.problems:
                raise self.problems.pop(0)
            await asyncio.Event().wait()
        finally:
            self.ends += 1


async def test_what_crashes_is_started_again(background: Any, until: Any, caplog: pytest.LogCaptureFixture) -> None:
    supervisor = Supervisor(back_off=QUICK)
    bad, good = Work(ValueError("one"), Temporary("two"), asyncio.CancelledError()), Work()
    supervisor.add("bad", bad)
    supervisor.add("good", good)
    running = background(supervisor.run())
    await until(lambda: bad.starts == 4 and supervisor.states()["bad"].running)
    assert supervisor.states()["bad"].crashes == 3
    assert supervisor.states()["bad"].problem.startswith("CancelledError")
    assert supervisor.states()["good"].crashes == 0
    assert good.starts == 1
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, True]
    supervisor.stop()
    await asyncio.wait_for(running, 5)
    assert (bad.ends, good.ends) == (4, 1)
    assert not supervisor.states()["good"].running


@pytest.mark.parametrize(
    "problem", [Permanent("the port is taken"), ExceptionGroup("inner", [ValueError("x"), Permanent("the port is taken")])]
)
async def test_what_is_permanent_ends_all_and_is_raised(problem: Exception) -> None:
    supervisor = Supervisor(back_off=QUICK)
    other = Work()
    supervisor.add("other", other)
    supervisor.add("fatal", Work(problem))
    with pytest.raises(Permanent, match="the port is taken"):
        await asyncio.wait_for(supervisor.run(), 5)
    assert other.ends == 1
    assert supervisor.states()["fatal"].problem == "the port is taken"


async def test_returns_when_all_is_done_and_takes_tasks_while_running(background: Any, until: Any) -> None:
    supervisor = Supervisor(back_off=QUICK)
    gate = asyncio.Event()
    late = Work(ValueError("once"))

    async def wait() -> None:
        await gate.wait()

    supervisor.add("waits", wait)
    running = background(supervisor.run())
    await asyncio.sleep(0)
    supervisor.add("late", late)
    await until(lambda: late.starts == 2)
    gate.set()
    await until(lambda: not supervisor.states()["waits"].running)
    assert not running.done()
    supervisor.stop()
    await asyncio.wait_for(running, 5)
    assert late.ends == 2
    with pytest.raises(ValueError, match="a task named 'late' exists"):
        supervisor.add("late", late)
    await asyncio.wait_for(Supervisor().run(), 1)


async def test_being_cancelled_ends_every_task(background: Any, until: Any) -> None:
    supervisor = Supervisor()
    work = [Work() for _ in range(3)]
    for number, each in enumerate(work):
        supervisor.add(str(number), each)
    running = background(supervisor.run())
    await until(lambda: all(each.starts for each in work))
    running.cancel()
    await asyncio.wait((running,), timeout=5)
    assert running.cancelled()
    assert all(each.ends == 1 for each in work)
