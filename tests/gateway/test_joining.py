from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from sympozium_core.gateway.joining import AHEAD, joined


async def numbers(
    count: int, *, pause_after: int | None = None, gate: asyncio.Event | None = None
) -> AsyncGenerator[int, None]:
    for number in range(count):
        if number == pause_after and gate is not None:
            await gate.wait()
        yield number


async def test_what_is_there_at_once_comes_together_in_order() -> None:
    batches = [batch async for batch in joined(numbers(10))]
    assert batches == [list(range(10))]


async def test_a_slow_source_is_not_waited_for() -> None:
    gate = asyncio.Event()
    batches = joined(numbers(4, pause_after=2, gate=gate))
    assert await anext(batches) == [0, 1]
    gate.set()
    assert await anext(batches) == [2, 3]
    await batches.aclose()


async def test_no_more_than_a_bound_is_taken_ahead() -> None:
    taken = []

    async def source() -> AsyncGenerator[int, None]:
        for number in range(10 * AHEAD):
            taken.append(number)
            yield number

    batches = joined(source())
    await anext(batches)
    assert len(taken) <= 2 * AHEAD + 2
    await batches.aclose()


async def test_an_error_comes_after_what_came_before_it() -> None:
    async def source() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("broken")

    batches = joined(source())
    assert await anext(batches) == [1]
    with pytest.raises(ValueError, match="broken"):
        await anext(batches)


async def test_a_caller_that_leaves_closes_the_source() -> None:
    closed = asyncio.Event()

    async def source() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            closed.set()

    batches = joined(source())
    assert await anext(batches) == [1]
    await batches.aclose()
    assert closed.is_set()
