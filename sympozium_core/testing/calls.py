"""The checks of framed calls over any bus: a caller's bus and a server's bus, which may be one.

A test class derives from `CallContract` and defines the fixtures `caller` and `serving` (open buses) and `uid` (a run whose request
subjects the caller may publish).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from sympozium_core.bus import frames, subjects
from sympozium_core.bus.calls import CallLost, CallRequest, CallTimedOut, Handler, Server, call, call_once, serve
from sympozium_core.bus.serving import ServerLimits
from sympozium_core.contracts.bus import FRAME_BYTES, Bus, NoResponders
from sympozium_core.errors import Permanent, Temporary

Serve = Callable[..., Awaitable[Server]]


async def echo(request: CallRequest) -> AsyncIterator[bytes]:
    yield request.data


def soon(seconds: float = 20.0) -> float:
    return time.time() + seconds


async def until(condition: Callable[[], bool]) -> None:
    """Waits for the condition of another task; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what changes is in the server, which tells nobody
            await asyncio.sleep(0.01)


class CallContract:
    @pytest.fixture
    def subject(self, uid: str) -> str:
        return subjects.request(uid, "model")

    @pytest.fixture
    async def start(self, serving: Bus, subject: str) -> AsyncIterator[Serve]:
        servers: list[Server] = []

        async def start(handler: Handler, **limits: float) -> Server:
            bounds = ServerLimits(**limits)  # type: ignore[arg-type]
            servers.append(await serve(serving, subject, handler, queue="gateway", limits=bounds))
            return servers[-1]

        yield start
        for server in servers:
            await server.close()

    @pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 5000, FRAME_BYTES, FRAME_BYTES + 1, 20 * FRAME_BYTES + 7])
    async def test_requests_and_items_of_any_size_arrive_whole(
        self, caller: Bus, start: Serve, subject: str, size: int
    ) -> None:
        async def twice(request: CallRequest) -> AsyncIterator[bytes]:
            yield request.data
            yield b""
            yield request.data[::-1]

        await start(twice)
        data = secrets.token_bytes(size)
        items = [item async for item in call(caller, subject, data, deadline=soon())]
        assert items == [data, b"", data[::-1]]

    async def test_a_long_stream_arrives_in_order(self, caller: Bus, start: Serve, subject: str) -> None:
        async def count(_: CallRequest) -> AsyncIterator[bytes]:
            for number in range(10_000):
                yield b"%d" % number

        await start(count)
        items = [int(item) async for item in call(caller, subject, b"", deadline=soon(40))]
        assert items == list(range(10_000))

    async def test_an_answer_of_nothing_ends(self, caller: Bus, start: Serve, subject: str) -> None:
        async def nothing(_: CallRequest) -> AsyncIterator[bytes]:
            return
            yield b""

        await start(nothing)
        assert await call_once(caller, subject, b"x", deadline=soon()) == b""

    async def test_an_item_is_there_before_the_next_is_made(self, caller: Bus, start: Serve, subject: str) -> None:
        go_on = asyncio.Event()

        async def waits(_: CallRequest) -> AsyncIterator[bytes]:
            yield b"first"
            await go_on.wait()
            yield b"second"

        await start(waits)
        async with aclosing(call(caller, subject, b"", deadline=soon())) as items:
            assert await anext(items) == b"first"
            go_on.set()
            assert await anext(items) == b"second"

    async def test_many_calls_at_once_do_not_mix(self, caller: Bus, start: Serve, subject: str) -> None:
        await start(echo)
        data = [b"%d" % number * 1000 for number in range(25)]
        assert await asyncio.gather(*(call_once(caller, subject, item, deadline=soon()) for item in data)) == data

    async def test_of_two_servers_one_answers(self, caller: Bus, start: Serve, subject: str) -> None:
        served: list[int] = [0, 0]

        def handler(which: int) -> Handler:
            async def answer(request: CallRequest) -> AsyncIterator[bytes]:
                served[which] += 1
                yield request.data

            return answer

        await start(handler(0))
        await start(handler(1))
        long = bytes(3 * FRAME_BYTES)
        for _ in range(12):
            assert await call_once(caller, subject, long, deadline=soon()) == long
        assert sum(served) == 12

    async def test_a_slow_reader_holds_the_server_back(self, caller: Bus, start: Serve, subject: str) -> None:
        made = 0

        async def produce(_: CallRequest) -> AsyncIterator[bytes]:
            nonlocal made
            for _number in range(500):
                made += 1
                yield bytes(1000)

        server = await start(produce)
        async with aclosing(call(caller, subject, b"", deadline=soon(), window=16)) as items:
            assert await anext(items) == bytes(1000)
            await until(lambda: made >= 16)
            await asyncio.sleep(0.2)
            assert made <= 18
            assert len([item async for item in items]) == 499
        await until(lambda: server.active == 0)

    async def test_heartbeats_keep_a_slow_call_alive(self, caller: Bus, start: Serve, subject: str) -> None:
        async def thinks(_: CallRequest) -> AsyncIterator[bytes]:
            await asyncio.sleep(1.0)
            yield b"at last"

        await start(thinks, heartbeat=0.1)
        assert await call_once(caller, subject, b"", deadline=soon(), silence=0.5) == b"at last"

    async def test_silence_fails_the_call_as_temporary(self, caller: Bus, start: Serve, subject: str) -> None:
        async def thinks(_: CallRequest) -> AsyncIterator[bytes]:
            await asyncio.sleep(30)
            yield b"too late"

        await start(thinks, heartbeat=60)
        with pytest.raises(CallLost, match="silent") as raised:
            await call_once(caller, subject, b"", deadline=soon(), silence=0.3)
        assert isinstance(raised.value, Temporary)

    async def test_nobody_there_is_said_quickly(self, caller: Bus, subject: str) -> None:
        began = time.monotonic()
        with pytest.raises(NoResponders):
            await call_once(caller, subject, b"x", deadline=soon())
        assert time.monotonic() - began < 2

    async def test_leaving_early_cancels_the_handler(self, caller: Bus, start: Serve, subject: str) -> None:
        ended = asyncio.Event()

        async def forever(_: CallRequest) -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        server = await start(forever)
        async with aclosing(call(caller, subject, b"", deadline=soon())) as items:
            await anext(items)
        await asyncio.wait_for(ended.wait(), 5)
        await until(lambda: server.active == 0)

    async def test_cancelling_the_caller_cancels_the_handler(self, caller: Bus, start: Serve, subject: str) -> None:
        began, ended = asyncio.Event(), asyncio.Event()

        async def hangs(_: CallRequest) -> AsyncIterator[bytes]:
            began.set()
            try:
                await asyncio.sleep(30)
                yield b""
            finally:
                ended.set()

        await start(hangs)
        task = asyncio.create_task(call_once(caller, subject, b"", deadline=soon()))
        await asyncio.wait_for(began.wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 5)

    async def test_the_deadline_ends_both_sides(self, caller: Bus, start: Serve, subject: str) -> None:
        told: list[float] = []
        ended = asyncio.Event()

        async def hangs(request: CallRequest) -> AsyncIterator[bytes]:
            told.append(request.deadline - time.time())
            try:
                await asyncio.sleep(30)
                yield b""
            finally:
                ended.set()

        await start(hangs)
        with pytest.raises(CallTimedOut):
            await call_once(caller, subject, b"", deadline=soon(0.5))
        await asyncio.wait_for(ended.wait(), 5)
        assert 0 < told[0] <= 0.5

    async def test_a_deadline_in_the_past_is_not_begun(self, caller: Bus, start: Serve, subject: str) -> None:
        await start(echo)
        with pytest.raises(CallTimedOut):
            await call_once(caller, subject, b"", deadline=time.time() - 1)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (Temporary("the model is busy", after=3.0, reason="ModelError"), Temporary),
            (Permanent("no such model", reason="ModelError", hint="look at the list"), Permanent),
        ],
    )
    async def test_a_typed_error_arrives(
        self, caller: Bus, start: Serve, subject: str, error: Temporary | Permanent, kind: type[Exception]
    ) -> None:
        async def fails(_: CallRequest) -> AsyncIterator[bytes]:
            yield b"one"
            raise error

        await start(fails)
        items: list[bytes] = []

        async def collect() -> None:
            async for item in call(caller, subject, b"", deadline=soon()):
                items.append(item)

        with pytest.raises(kind) as raised:
            await collect()
        assert items == [b"one"]
        found = raised.value
        assert isinstance(found, (Temporary, Permanent))
        assert (found.message, found.reason, found.hint) == (error.message, "ModelError", error.hint)
        assert getattr(found, "after", None) == getattr(error, "after", None)

    async def test_a_bug_is_told_to_the_log_alone(
        self, caller: Bus, start: Serve, subject: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def fails(_: CallRequest) -> AsyncIterator[bytes]:
            raise RuntimeError("sk-secret at line 7")
            yield b""

        await start(fails)
        with pytest.raises(Permanent, match="internal error") as raised:
            await call_once(caller, subject, b"", deadline=soon())
        assert "secret" not in str(raised.value)
        assert "sk-secret at line 7" in caplog.text

    async def test_a_server_that_stops_says_so(self, caller: Bus, start: Serve, subject: str) -> None:
        began = asyncio.Event()

        async def hangs(_: CallRequest) -> AsyncIterator[bytes]:
            began.set()
            await asyncio.sleep(30)
            yield b""

        server = await start(hangs)
        task = asyncio.create_task(call_once(caller, subject, b"", deadline=soon()))
        await asyncio.wait_for(began.wait(), 5)
        await server.close()
        with pytest.raises(Temporary, match="stopping"):
            await asyncio.wait_for(task, 5)

    async def test_a_request_beyond_the_limit_is_refused_early(self, caller: Bus, start: Serve, subject: str) -> None:
        server = await start(echo, request_bytes=2 * FRAME_BYTES)
        with pytest.raises(Permanent, match="refused"):
            await call_once(caller, subject, bytes(30 * FRAME_BYTES), deadline=soon())
        await until(lambda: server.active == 0)
        assert await call_once(caller, subject, b"small", deadline=soon()) == b"small"

    async def test_too_many_calls_of_one_run_are_put_off(self, caller: Bus, start: Serve, subject: str) -> None:
        go_on = asyncio.Event()

        async def waits(request: CallRequest) -> AsyncIterator[bytes]:
            await go_on.wait()
            yield request.data

        server = await start(waits, subject_calls=3)
        held = [asyncio.create_task(call_once(caller, subject, b"x", deadline=soon())) for _ in range(3)]
        await until(lambda: server.active == 3)
        with pytest.raises(Temporary, match="too many") as raised:
            await call_once(caller, subject, b"x", deadline=soon())
        assert isinstance(raised.value, Temporary)
        assert raised.value.after == 1.0
        go_on.set()
        assert await asyncio.gather(*held) == [b"x"] * 3

    async def test_a_caller_that_vanishes_ends_the_handler(self, caller: Bus, start: Serve, subject: str) -> None:
        ended = asyncio.Event()

        async def hangs(_: CallRequest) -> AsyncIterator[bytes]:
            try:
                await asyncio.sleep(30)
                yield b""
            finally:
                ended.set()

        await start(hangs, heartbeat=0.1)
        inbox = subjects.new_inbox(subject)
        replies = await caller.subscribe(inbox)
        headers = {frames.CALL: "vanishing", frames.INDEX: "0", frames.LAST: "1", frames.TIMEOUT: "30", frames.CREDIT: "1"}
        await caller.publish(subject, b"", reply=inbox, headers=headers)
        await asyncio.wait_for(anext(aiter(replies)), 5)
        await replies.close()
        await asyncio.wait_for(ended.wait(), 5)
