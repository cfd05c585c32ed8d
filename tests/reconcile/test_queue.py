"""The work queue: once in it, one worker a key, never lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.reconcile.queue import BEHIND_AT_ONCE, QueueClosed, WorkQueue


async def test_keys_come_once_and_in_order() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abab":
        queue.add(key)
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]


async def test_a_key_added_during_its_work_comes_again_after_it_and_behind_the_others() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    queue.add("a")
    queue.add("b")
    assert len(queue) == 1
    assert await queue.get() == "b"
    waiting = asyncio.ensure_future(queue.get())
    done, _ = await asyncio.wait((waiting,), timeout=0.02)
    assert not done
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert len(queue) == 0


async def test_what_can_wait_comes_behind_all_others() -> None:
    waits = {"x", "y"}
    queue: WorkQueue[str] = WorkQueue(can_wait=waits.__contains__)
    for key in "xayb":
        queue.add(key)
    assert len(queue) == 4
    assert await queue.get() == "a"
    queue.add("c")
    waits.remove("y")
    queue.add("y")
    queue.add("x")
    assert [await queue.get() for _ in range(4)] == ["b", "c", "y", "x"]
    waits.add("a")
    queue.add("a")
    queue.add("d")
    queue.done("a")
    assert [await queue.get(), await queue.get()] == ["d", "a"], "asked again when it comes due"


async def test_what_can_wait_does_not_wait_for_ever() -> None:
    queue: WorkQueue[str] = WorkQueue(can_wait=str.isupper, patience=0.02)
    for key in "AB":
        queue.add(key)
    await asyncio.sleep(0.03)
    queue.add("C")
    for key in "abcdefghijklmnopqrstuvwxyz":
        queue.add(key)
    found = "".join([await queue.get() for _ in range(29)])
    assert found == "abcdefgAhijklmnBopqrstuvwxyzC"


async def test_of_those_that_can_wait_only_some_are_worked_on_at_once() -> None:
    queue: WorkQueue[int] = WorkQueue(can_wait=lambda key: key >= 0)
    for key in range(BEHIND_AT_ONCE + 2):
        queue.add(key)
    first = [await queue.get() for _ in range(BEHIND_AT_ONCE)]
    assert first == list(range(BEHIND_AT_ONCE))
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.add(-1)
    assert await waiting == -1, "what cannot wait is not kept up by them"
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(first[3])
    assert await waiting == BEHIND_AT_ONCE


async def test_closing_frees_workers_that_wait_for_their_turn_with_what_can_wait() -> None:
    queue: WorkQueue[int] = WorkQueue(can_wait=lambda key: True)
    for key in range(BEHIND_AT_ONCE + 1):
        queue.add(key)
    keys = [await queue.get() for _ in range(BEHIND_AT_ONCE)]
    waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    queue.done(keys[0])
    ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert sorted(isinstance(each, QueueClosed) for each in ended) == [False, True, True]


async def test_later_comes_later_and_the_earliest_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    loop = asyncio.get_running_loop()
    began = loop.time()
    queue.add_after("late", 0.06)
    queue.add_after("early", 0.5)
    queue.add_after("early", 0.02)
    queue.add_after("early", 3)
    queue.add_after("now", 0)
    assert queue.delayed == 2
    assert [await queue.get() for _ in range(3)] == ["now", "early", "late"]
    assert 0.05 <= loop.time() - began < 0.5
    assert queue.delayed == 0


async def test_later_can_be_taken_back() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 0.01)
    queue.add_after("b", 0.02)
    queue.cancel_later("a")
    assert await queue.get() == "b"
    assert queue.delayed == 0


async def test_failures_make_it_wait_longer_until_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(BackOff(first=0.001, factor=4, longest=0.02, jitter=0))
    assert [queue.add_rate_limited("a") for _ in range(4)] == [0.001, 0.004, 0.016, 0.02]
    assert queue.add_rate_limited("b") == 0.001
    assert queue.failures("a") == 4
    queue.forget("a")
    assert queue.failures("a") == 0
    assert queue.add_rate_limited("a") == 0.001
    assert {await queue.get(), await queue.get()} == {"a", "b"}


def test_back_off_is_bounded_and_jittered() -> None:
    back_off = BackOff(first=1, factor=2, longest=10, jitter=0.5)
    for failures, most in ((0, 1), (1, 1), (2, 2), (4, 8), (5, 10), (10_000, 10)):
        delays = [back_off.delay(failures) for _ in range(200)]
        assert most / 2 <= min(delays) < max(delays) <= most
    attempts = Attempts(BackOff(first=1, jitter=0))
    assert [attempts.failed(), attempts.failed()] == [1, 2]
    attempts.succeeded()
    assert attempts.failed() == 1


async def test_closing_hands_out_what_is_due_and_drops_what_is_for_later() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add_after("later", 0.001)
    assert await queue.get() == "a"
    queue.add("a")
    queue.close()
    queue.add("c")
    queue.add_after("d", 0)
    assert await queue.get() == "b"
    queue.done("b")
    queue.done("a")
    assert await queue.get() == "a"
    joining = asyncio.ensure_future(queue.join())
    await asyncio.sleep(0)
    assert not joining.done()
    queue.done("a")
    await joining
    with pytest.raises(QueueClosed):
        await queue.get()


async def test_closing_frees_every_waiting_worker() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.ensure_future(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert [type(each) for each in results] == [QueueClosed] * 3


async def test_a_worker_cancelled_as_it_is_woken_leaves_its_key_to_another() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first = asyncio.ensure_future(queue.get())
    second = asyncio.ensure_future(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1) == "a"
    assert first.cancelled()


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(("add", "after", "limited", "step", "cancel")), st.integers(0, 5), st.integers(0, 3)), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(operations=OPERATIONS, workers=st.integers(1, 4))
def test_no_key_is_lost_and_none_is_worked_on_twice_at_once(operations: list[tuple[str, int, int]], workers: int) -> None:
    """Every add is followed by a hand-out of its key that begins after it, whatever happens at the same time."""

    async def scenario() -> None:
        queue: WorkQueue[int] = WorkQueue(BackOff(first=0.0001, longest=0.0005), can_wait=lambda key: key >= 4, patience=0.0002)
        added: Counter[int] = Counter()
        seen: Counter[int] = Counter()
        working: set[int] = set()

        async def work() -> None:
            while True:
                key = await queue.get()
                assert key not in working
                working.add(key)
                seen[key] = added[key]
                for _ in range(key % 3):
                    await asyncio.sleep(0)
                working.discard(key)
                queue.done(key)

        tasks = [asyncio.ensure_future(work()) for _ in range(workers)]
        for operation, key, number in operations:
            if operation == "step":
                for _ in range(number):
                    await asyncio.sleep(0)
            elif operation == "cancel":
                tasks.append(asyncio.ensure_future(work()))
                idle = asyncio.ensure_future(queue.get())
                await asyncio.sleep(0)
                if not idle.done():
                    idle.cancel()
                elif not idle.cancelled():
                    seen[idle.result()] = added[idle.result()]
                    queue.done(idle.result())
                await asyncio.wait((idle,))
            else:
                added[key] += 1
                if operation == "add":
                    queue.add(key)
                elif operation == "after":
                    queue.add_after(key, number / 5000)
                else:
                    queue.add_rate_limited(key)
        async with asyncio.timeout(5):
            while seen != added or queue.delayed:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await queue.join()
        queue.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [each for each in results if not isinstance(each, QueueClosed)] == []

    asyncio.run(scenario())


async def test_a_heap_of_replaced_times_is_forgotten() -> None:
    queue: Any = WorkQueue()
    for number in range(1000):
        queue.add_after("a", 1000 - number / 10)
    queue.cancel_later("a")
    queue.add_after("b", 0.001)
    assert await queue.get() == "b"
    assert queue.delayed == 0
    queue.close()
