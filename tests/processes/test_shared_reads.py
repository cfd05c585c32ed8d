"""Reads that are shared, and never older than the question."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import ListPage, NotFound, Object, ResourceType
from sympozium_core.processes import shared_reads
from sympozium_core.processes.shared_reads import SharedReads


class Slow:
    """A cluster whose answers come when they are let through; an answer is what was true when its read began."""

    def __init__(self) -> None:
        self.value: Object | None = {"n": 0}
        self.reads = 0
        self.through = asyncio.Event()

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object:
        self.reads += 1
        read = self.value
        await self.through.wait()
        if read is None:
            raise NotFound("it is not there")
        return read

    async def list(self, kind: ResourceType, namespace: str | None = None) -> ListPage:
        return ListPage([await self.get(kind, namespace, "")], "1")


def ask(shared: SharedReads, name: str = "a") -> asyncio.Task[Any]:
    return asyncio.create_task(shared.get(CONFIG_MAP, "default", name))


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_waits_together_is_answered_together_and_never_with_what_was_read_before() -> None:
    slow = Slow()
    shared = SharedReads(slow)
    first = ask(shared)
    await turn()
    slow.value = {"n": 1}  # written after the first read began, before the others asked
    others = [ask(shared) for _ in range(20)]
    await turn()
    assert slow.reads == 1
    slow.through.set()
    assert await first == {"n": 0}
    assert await asyncio.gather(*others) == [{"n": 1}] * 20
    assert slow.reads == 2
    slow.value = {"n": 2}
    assert await ask(shared) == {"n": 2}


async def test_a_read_that_took_long_is_followed_by_one_that_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_REST", 3600.0)
    slow = Slow()
    shared = SharedReads(slow)
    first = ask(shared)
    await turn()
    second = ask(shared)
    await asyncio.sleep(0.2)
    slow.through.set()
    assert await first == {"n": 0}
    slow.value = {"n": 1}
    third = ask(shared)
    assert [await second, await third] == [{"n": 1}] * 2
    assert slow.reads == 2


async def test_different_objects_do_not_wait_for_each_other() -> None:
    slow = Slow()
    shared = SharedReads(slow)
    asked = [ask(shared, name) for name in ("a", "b", "c")]
    await turn()
    assert slow.reads == 3
    slow.through.set()
    await asyncio.gather(*asked)


async def test_an_error_is_everybodys_and_is_forgotten() -> None:
    slow = Slow()
    slow.value = None
    slow.through.set()
    shared = SharedReads(slow)
    assert {type(found) for found in await asyncio.gather(ask(shared), ask(shared), return_exceptions=True)} == {NotFound}
    slow.value = {"n": 3}
    assert await ask(shared) == {"n": 3}


async def test_who_gives_up_leaves_the_others_their_answer() -> None:
    slow = Slow()
    shared = SharedReads(slow)
    asked = [ask(shared) for _ in range(3)]
    await turn()
    asked[0].cancel()
    slow.through.set()
    assert await asyncio.gather(*asked[1:]) == [{"n": 0}] * 2
    with pytest.raises(asyncio.CancelledError):
        await asked[0]


async def test_lists_are_shared_too_and_no_object_is_taken_for_one() -> None:
    slow = Slow()
    shared = SharedReads(slow)
    lists = [asyncio.create_task(shared.list(CONFIG_MAP, "default")) for _ in range(3)]
    one = ask(shared)
    await turn()
    assert slow.reads == 2
    slow.through.set()
    assert [found.items for found in await asyncio.gather(*lists)] == [[{"n": 0}]] * 3
    assert await one == {"n": 0}
