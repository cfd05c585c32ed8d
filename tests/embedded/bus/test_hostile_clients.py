"""What a hostile or broken client of the embedded bus's socket achieves: nothing, and nobody else notices."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.embedded.bus import wire
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.testing.assignments import Assignments
from sympozium_core.testing.bus_journal import stored

UID = "run-1"
POD = subjects.journal(UID, "pod")


class RawClient:
    """Speaks the wire format itself, and so can say what the real client never would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, server: BusServer, *, hello: bool = True) -> RawClient:
        client = cls(*await asyncio.open_unix_connection(wire.socket_path(server.address)))
        if hello:
            await client.send({"op": "hello", "version": 1, "token": "right", "pod": "pod-1"})
            assert (await client.receive())["op"] == "welcome"
        return client

    async def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        self.writer.write(wire.encode(header, data))
        await self.writer.drain()

    async def receive(self) -> dict[str, Any]:
        return (await asyncio.wait_for(wire.read_frame(self.reader, 2**21), 5))[0]

    async def closed(self) -> bool:
        with suppress(ConnectionError):
            while await asyncio.wait_for(self.reader.read(65536), 5):
                pass
        self.writer.close()
        return True


class TestHostileClients:
    @pytest.mark.parametrize(
        "header",
        [
            {"op": "append", "id": 1, "subject": "sympozium.run.run-2.pod"},
            {"op": "append", "id": 1, "subject": "sympozium.run.run-1.gw"},
            {"op": "publish", "id": 1, "subject": "sympozium.run.run-2.req.model"},
            {"op": "publish", "id": 1, "subject": "sympozium.run.run-1.pod"},
            {"op": "publish", "id": 1, "subject": "sympozium.run.run-1.req.model", "reply": "sympozium.run.run-2.ctl"},
            {"op": "publish", "id": 1, "subject": "sympozium.run.run-1.req.model", "headers": {"Nats-Rollup": "all"}},
            {"op": "subscribe", "id": 1, "sid": 1, "subject": "sympozium.run.>"},
            {"op": "subscribe", "id": 1, "sid": 1, "subject": "sympozium.run.run-2.inbox.>"},
            {"op": "purge", "id": 1, "subject": "sympozium.run.>"},
        ],
    )
    async def test_the_server_itself_refuses(self, bus: EmbeddedBus, server: BusServer, header: dict[str, Any]) -> None:
        client = await RawClient.open(server)
        await client.send(header, b"forged")
        answer = await client.receive()
        assert (answer["op"], answer["id"]) == ("error", 1)
        client.writer.close()
        assert await stored(bus, "sympozium.run.>") == []

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET / HTTP/1.1\r\n\r\n",
            struct.pack(">II", 2**31, 0),
            struct.pack(">II", 2, 2**31) + b"{}",
            struct.pack(">II", 2, 0) + b"{}",
            struct.pack(">II", 4, 0) + b"[[[[",
            wire.encode({"op": "append", "id": "one", "subject": POD}),
            wire.encode({"op": "append", "id": 1, "subject": 7}),
            wire.encode({"op": "append", "id": 1, "subject": POD, "expected": -1}),
            wire.encode({"op": "append", "id": 1, "subject": POD, "headers": {"A": 1}}),
            wire.encode({"op": "append", "id": 1, "subject": POD, "headers": ["A"]}),
            wire.encode({"op": "subscribe", "id": 1, "sid": True, "subject": subjects.journal(UID, "ctl")}),
        ],
    )
    async def test_who_does_not_speak_the_protocol_is_disconnected(
        self, bus: EmbeddedBus, server: BusServer, remote: RemoteBus, sent: bytes
    ) -> None:
        client = await RawClient.open(server)
        client.writer.write(sent)
        assert await client.closed()
        await remote.append(POD, b"others go on")
        assert len(await stored(bus, POD)) == 1

    @pytest.mark.parametrize(
        "hello",
        [
            {"op": "append", "subject": POD},
            {"op": "hello", "version": 99, "token": "right", "pod": "pod-1"},
            {"op": "hello", "version": 1, "token": "x" * 10_000, "pod": "pod-1"},
            {"op": "hello", "version": 1, "token": ["right"], "pod": "pod-1"},
        ],
    )
    async def test_nothing_goes_before_hello(self, bus: EmbeddedBus, server: BusServer, hello: dict[str, Any]) -> None:
        client = await RawClient.open(server, hello=False)
        await client.send(hello)
        assert await client.closed()
        assert await stored(bus, POD) == []

    async def test_a_warm_pod_that_speaks_early_is_let_go(self, server: BusServer, assignments: Assignments) -> None:
        client = await RawClient.open(server, hello=False)
        await client.send({"op": "hello", "version": 1, "token": "right", "pod": "warm"})
        await assignments.asked.wait()
        await client.send({"op": "append", "id": 1, "subject": POD})
        assert await client.closed()

    async def test_subscriptions_have_a_bound(self, server: BusServer) -> None:
        client = await RawClient.open(server)
        for sid in range(300):
            await client.send({"op": "subscribe", "id": sid + 1, "sid": sid, "subject": f"{subjects.run_inbox(UID)}.{sid}"})
        answers = [(await client.receive())["op"] for _ in range(300)]
        assert (answers.count("ack"), answers.count("error")) == (256, 44)
        client.writer.close()

    async def test_a_client_that_does_not_read_holds_nobody_up(
        self, bus: EmbeddedBus, server: BusServer, remote: RemoteBus
    ) -> None:
        client = await RawClient.open(server)
        control = subjects.journal(UID, "ctl")
        await client.send({"op": "subscribe", "id": 1, "sid": 1, "subject": control})
        assert (await client.receive())["op"] == "ack"
        listening = await remote.subscribe(control)
        for _ in range(40):
            await bus.append(control, bytes(1_000_000))
        for _ in range(40):
            assert len((await asyncio.wait_for(anext(aiter(listening)), 5)).data) == 1_000_000
        client.writer.transport.abort()
        await listening.close()

    async def test_a_message_gives_no_right_to_answer_elsewhere(self, bus: EmbeddedBus, server: BusServer) -> None:
        inbox = f"{subjects.run_inbox(UID)}.x"
        client = await RawClient.open(server)
        await client.send({"op": "subscribe", "id": 1, "sid": 1, "subject": inbox})
        await client.receive()
        await bus.publish(inbox, b"?", reply="_INBOX.control.a")
        assert (await client.receive())["reply"] == "_INBOX.control.a"
        await client.send({"op": "publish", "id": 2, "subject": "_INBOX.control.a"}, b"not asked of you")
        assert (await client.receive())["kind"] == "BusDenied"
        client.writer.close()
