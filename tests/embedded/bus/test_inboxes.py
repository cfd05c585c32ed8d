"""The inboxes of a bridge's calls: one subscription carries all, and each hears its own."""

from __future__ import annotations

import asyncio

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import BusUnavailable
from sympozium_core.embedded.bus.connection import MAX_SUBSCRIPTIONS
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer

ASKED = subjects.request("run-1", subjects.MODEL)
CONTROL = f"{ASKED}.server.call"


async def test_each_hears_its_own_however_many_there_are(bus: EmbeddedBus, remote: RemoteBus) -> None:
    asked = await bus.subscribe(ASKED)
    inboxes = [subjects.new_inbox(ASKED) for _ in range(2 * MAX_SUBSCRIPTIONS)]
    listening = [await remote.subscribe(inbox) for inbox in inboxes]
    await remote.publish(ASKED, b"?", reply=inboxes[0])
    async with asyncio.timeout(10):
        await anext(aiter(asked))
        for inbox in reversed(inboxes):
            await bus.publish(inbox, inbox.encode())
        for inbox, replies in zip(inboxes, listening, strict=True):
            assert (await anext(aiter(replies))).data == inbox.encode()


async def test_what_is_asked_is_heard_by_a_listener_that_was_not_waited_for(bus: EmbeddedBus, remote: RemoteBus) -> None:
    asked = await bus.subscribe(ASKED)
    for _ in range(50):
        inbox = subjects.new_inbox(ASKED)
        replies = await remote.subscribe(inbox)
        await remote.publish(ASKED, b"?", reply=inbox)
        async with asyncio.timeout(10):
            await bus.publish((await anext(aiter(asked))).reply, b"!")
            assert (await anext(aiter(replies))).data == b"!"
        await replies.close()


async def test_who_writes_to_an_inbox_that_is_closed_is_told_that_nobody_listens(bus: EmbeddedBus, remote: RemoteBus) -> None:
    told, asked = await bus.subscribe(CONTROL), await bus.subscribe(ASKED)
    inbox = subjects.new_inbox(ASKED)
    replies = await remote.subscribe(inbox)
    await remote.publish(ASKED, b"?", reply=inbox)
    async with asyncio.timeout(10):
        await anext(aiter(asked))
        await replies.close()
        await bus.publish(inbox, b"!", reply=CONTROL)
        message = await anext(aiter(told))
    assert (message.data, message.headers.get("Status")) == (b"", "503")


async def test_a_lost_connection_ends_them(server: BusServer, remote: RemoteBus) -> None:
    replies = await remote.subscribe(subjects.new_inbox(ASKED))
    await server.close()
    async with asyncio.timeout(10):
        try:
            await anext(aiter(replies))
        except BusUnavailable:
            return
    raise AssertionError("the listener was left waiting")
