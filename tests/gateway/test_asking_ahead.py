"""A call is asked while it goes on record: never for an answer that is there already, and nothing is handed on before it is on record."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.bus import LimitReached
from sympozium_core.contracts.provider import ProviderError
from sympozium_core.errors import SympoziumError
from sympozium_core.gateway.body import call_key, clean_body

UID = "run-uid-1"
SECOND = {"role": "user", "content": "the second turn"}


def content(frames):
    return "".join(frame["chunk"]["choices"][0]["delta"].get("content") or "" for frame in frames if "chunk" in frame)


class Disk:
    """The bus's appends, each let through when the test says so."""

    def __init__(self, bus, monkeypatch):
        self.waiting = 0
        self.let = asyncio.Event()
        self.error: Exception | None = None
        self._append = bus.append
        monkeypatch.setattr(bus, "append", self.append)

    async def append(self, *arguments, **named):
        self.waiting += 1
        await self.let.wait()
        if self.error is not None:
            raise self.error
        return await self._append(*arguments, **named)


@pytest.fixture
async def second(side):
    """A gateway that has answered the first turn of a run."""
    gateway = await side.gateway()
    side.provider.answers = [side.text("first")]
    await side.ask(side.body())
    return gateway


@pytest.mark.usefixtures("second")
async def test_the_model_is_asked_during_the_append_and_nothing_is_handed_on_before_it(side, monkeypatch):
    disk, got = Disk(side.bus, monkeypatch), []
    side.provider.answers = [[side.chunk({"content": "a"}), *side.text("b")]]

    async def read():
        async with aclosing(side.call(side.body(SECOND))) as items:
            async for item in items:
                got.extend(json.loads(item))

    reading = asyncio.create_task(read())
    await side.until(lambda: len(side.provider.requests) == 2 and disk.waiting == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert got == []
    assert len(await side.entries()) == 2
    disk.let.set()
    await reading
    assert content(got) == "ab"
    assert [entry["type"] for entry in await side.entries()] == ["model.request", "model.answer"] * 2


async def test_the_first_call_of_a_run_that_this_gateway_does_not_know_is_put_on_record_first(side, monkeypatch):
    await side.gateway()
    disk = Disk(side.bus, monkeypatch)
    side.provider.answers = [side.text("a")]
    asking = asyncio.create_task(side.ask(side.body()))
    await side.until(lambda: disk.waiting == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert side.provider.requests == []
    disk.let.set()
    assert content(await asking) == "a"


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("ours", ["answers", "fails", "is silent"])
async def test_an_answer_that_another_gateway_has_recorded_counts_whatever_became_of_ours(side, ours):
    body = side.body(SECOND)
    call = call_key(clean_body(body, "real-model"), 0)
    journal = await Journal.open(side.bus, subjects.journal(UID, subjects.GATEWAY), attempt=1)
    await journal.append(
        {"type": "model.request", "call": call, "provider": "p", "model": "m", "base": 0, "messages": [SECOND]}
    )
    told = {"message": {"role": "assistant", "content": "theirs"}, "finishReason": "stop", "usage": _USAGE}
    await journal.append({"type": "model.answer", "call": call, **told, "durationMs": 1, "replayed": False})
    answers = {"answers": side.text("ours"), "fails": [ProviderError("auth", "no")], "is silent": [asyncio.Event()]}
    side.provider.answers = [answers[ours]]
    async with asyncio.timeout(10):
        assert content(await side.ask(body)) == "theirs"
    assert len(await side.entries()) == 4, "nothing of our own call is on record"
    assert side.provider.ended == len(side.provider.requests)


_USAGE = {"promptTokens": 1, "completionTokens": 1, "totalTokens": 2}


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("ours", ["answers", "fails", "is silent"])
async def test_a_call_that_cannot_be_recorded_delivers_nothing_and_is_next_time_not_asked_ahead(side, monkeypatch, ours):
    answers = {"answers": side.text("ours"), "fails": [ProviderError("auth", "no")], "is silent": [asyncio.Event()]}
    side.provider.answers = [answers[ours]]
    disk = Disk(side.bus, monkeypatch)
    disk.error = LimitReached("the disk of the bus is full")
    asking = asyncio.create_task(side.ask(side.body(SECOND)))
    await side.until(lambda: len(side.provider.requests) == 2 and disk.waiting == 1)
    disk.let.set()
    async with asyncio.timeout(10):
        with pytest.raises(SympoziumError, match="the disk of the bus is full"):
            await asking
    await side.until(lambda: side.provider.ended == 2)
    with pytest.raises(SympoziumError, match="the disk of the bus is full"):
        await side.ask(side.body(SECOND))
    assert len(side.provider.requests) == 2


@pytest.mark.usefixtures("second")
async def test_a_failure_of_the_model_is_recorded_after_the_call(side):
    side.provider.answers = [[ProviderError("auth", "no")]]
    with pytest.raises(SympoziumError, match="auth: no"):
        await side.ask(side.body(SECOND))
    assert [entry["type"] for entry in await side.entries()][2:] == ["model.request", "model.error"]


@pytest.mark.usefixtures("second")
async def test_a_caller_that_leaves_during_the_append_ends_the_call_of_the_model(side, monkeypatch):
    disk = Disk(side.bus, monkeypatch)
    side.provider.answers = [[asyncio.Event()]]
    asking = asyncio.create_task(side.ask(side.body(SECOND)))
    await side.until(lambda: len(side.provider.requests) == 2 and disk.waiting == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await side.until(lambda: side.provider.ended == 2)
    disk.let.set()
