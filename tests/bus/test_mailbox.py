from __future__ import annotations

import asyncio

import pytest

from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.contracts.bus import BusUnavailable, Message


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    mailbox = Mailbox("x", max_messages=3, max_bytes=100)
    assert [mailbox.put(Message("x", b"1")) for _ in range(5)] == [True, True, True, False, False]
    assert mailbox.dropped == 2
    await anext(mailbox)
    assert not mailbox.put(Message("x", bytes(99)))
    assert mailbox.put(Message("x", bytes(98)))


async def test_an_end_with_an_error_comes_after_the_messages() -> None:
    mailbox = Mailbox("x")
    mailbox.put(Message("x", b"1"))
    mailbox.end(BusUnavailable("lost"))
    assert (await anext(mailbox)).data == b"1"
    with pytest.raises(BusUnavailable, match="lost"):
        await anext(mailbox)


async def test_several_may_wait() -> None:
    mailbox = Mailbox("x")
    waiting = [asyncio.ensure_future(anext(mailbox)) for _ in range(3)]
    await asyncio.sleep(0)
    for number in range(3):
        mailbox.put(Message("x", b"%d" % number))
    assert sorted([message.data for message in await asyncio.gather(*waiting)]) == [b"0", b"1", b"2"]


async def test_closing_is_told_once() -> None:
    told: list[int] = []

    async def on_close() -> None:
        told.append(1)

    mailbox = Mailbox("x", on_close=on_close)
    mailbox.put(Message("x", b"1"))
    await mailbox.close()
    await mailbox.close()
    assert told == [1]
    assert [message async for message in mailbox] == []
    assert not mailbox.put(Message("x", b"2"))
