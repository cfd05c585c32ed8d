"""The bus contract on NATS JetStream, by nats-py. Needs nats-server 2.10 or newer with JetStream.

For users of the control plane. A run's user has no right to JetStream at all: `bus.run_bus`.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from sympozium_core.bus import nats_stream, subjects, validation
from sympozium_core.bus.nats_connection import CONNECT_TIMEOUT, NatsConnection
from sympozium_core.bus.nats_consumer import JetStreamConsumer, open_consumer
from sympozium_core.bus.nats_errors import NoMessage
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nats_messages import acknowledgement, raw_message, stored_message, wide
from sympozium_core.bus.nats_objects import Artifacts
from sympozium_core.bus.nats_pull import Pull, stored
from sympozium_core.bus.nats_requests import API
from sympozium_core.bus.nats_stream import StreamLimits
from sympozium_core.bus.users import CONTROL_INBOX
from sympozium_core.contracts.bus import Ack, Bus, BusUnavailable, Consumer, Fenced, Message, Subscription
from sympozium_core.errors import Permanent

ACK_TIMEOUT = 5.0
FEW = 4
"""Messages that are asked for one by one. A consumer of its own for a read costs the server and this side more than so many questions."""
_OWN_HEADERS = 1024
"""Room for the headers that `append` adds."""


class JetStreamBus(Bus):
    """Made by `connect`. Survives restarts of the server: appends under way raise BusUnavailable, readers and listeners go on."""

    def __init__(self, connection: NatsConnection) -> None:
        client = connection.client
        self._connection, self._client = connection, client
        self._context = client.jetstream(timeout=ACK_TIMEOUT)
        self._pulls: set[Pull] = set()
        self._requests = connection.requests
        self._artifacts = Artifacts(client, self._context, self._pulls)
        self.max_payload = connection.max_payload - validation.MAX_HEADERS - _OWN_HEADERS
        connection.on_return = self._ask_again

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        seed_file: Path | None = None,
        ca_file: Path | None = None,
        user: str = "",
        password: str = "",
        ensure_stream: bool = False,
        limits: StreamLimits | None = None,
        inbox_prefix: str = CONTROL_INBOX,
        timeout: float = CONNECT_TIMEOUT,
    ) -> JetStreamBus:
        """A user of the control plane; see `nats_login.Login` for who that is. With `ensure_stream` the stream and the bucket are made
        where they are missing. `inbox_prefix` is for a user that may subscribe under that alone.

        Raises BusUnavailable when the server does not answer within `timeout` seconds, BusDenied when it does not take the user, Permanent
        for a file that cannot be used.
        """
        login = Login(url, ca_file=ca_file, seed_file=seed_file, user=user, password=password)
        bus = cls(await NatsConnection.open(login, inbox_prefix=inbox_prefix, timeout=timeout))
        if ensure_stream:
            try:
                await nats_stream.ensure(bus._context, limits or StreamLimits())
            except BaseException:
                await bus.close()
                raise
        return bus

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        expected_last: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Ack:
        validation.check_stored(subject)
        validation.check_headers(headers)
        validation.check_message_id(message_id)
        validation.check_payload(data, self.max_payload)
        sent = dict(headers or {})
        if expected_last is not None:
            sent["Nats-Expected-Last-Subject-Sequence"] = str(expected_last)
        if message_id:
            sent["Nats-Msg-Id"] = message_id
        try:
            return acknowledgement(subject, await self._request(subject, data, sent))
        except Fenced:
            if not message_id or (known := await self._stored_before(subject, message_id)) is None:
                raise
            return known

    async def last(self, subject: str) -> Message | None:
        validation.check_stored(subject)
        return await self._last(subject)

    async def read(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        validation.check_filter(subject)
        newest = await self._last(wide(subject))
        if newest is None or newest.sequence <= after:
            return
        for _ in range(FEW):
            message = await self._next(wide(subject), after)
            if message is None or message.sequence > newest.sequence:
                return  # purged meanwhile
            yield message
            after = message.sequence
            if after == newest.sequence:
                return
        messages = stored(self._client, self._context, subjects.STREAM, wide(subject), after, newest.sequence, self._pulls)
        async with aclosing(messages) as found:
            async for raw in found:
                yield stored_message(raw)

    async def follow(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        validation.check_filter(subject)
        messages = stored(self._client, self._context, subjects.STREAM, wide(subject), after, None, self._pulls)
        async with aclosing(messages) as found:
            async for message in found:
                yield stored_message(message)
        raise BusUnavailable("the bus is closed")

    async def consumer(
        self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256, ahead: int = 1
    ) -> Consumer:
        validation.check_consumer(name)
        validation.check_filter(subject)
        await open_consumer(self._context, subjects.STREAM, name, wide(subject), ack_wait, max_pending)
        consumer = JetStreamConsumer(self._client, subjects.STREAM, name, stored_message, self._pulls, ahead)
        await consumer.start()
        return consumer

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        validation.check_not_stored(subject)
        if reply:
            validation.check_subject(reply)
        validation.check_headers(headers)
        validation.check_payload(data, self.max_payload)
        await self._connection.publish(subject, data, reply=reply, headers=headers)

    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        validation.check_pattern(subject)
        return await self._connection.subscribe(subject, queue=queue, settled=not subjects.is_inbox(subject))

    async def put_object(self, name: str, data: AsyncIterator[bytes]) -> int:
        validation.check_object_name(name)
        return await self._artifacts.put(name, data)

    async def get_object(self, name: str) -> AsyncGenerator[bytes, None]:
        validation.check_object_name(name)
        async with aclosing(self._artifacts.get(name)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def delete_object(self, name: str) -> None:
        validation.check_object_name(name)
        await self._artifacts.delete(name)

    async def purge(self, subject: str) -> None:
        validation.check_filter(subject)
        request = self._context.purge_stream(subjects.STREAM, subject=wide(subject))
        await self._requests.answer(API, request, f"purging {subject}")

    def problems(self) -> list[str]:
        """What keeps it from working now, for a readiness probe."""
        return [problem] if (problem := self._connection.problem()) else []

    async def close(self) -> None:
        for pull in list(self._pulls):
            await pull.close()
        await self._connection.close()

    async def _request(self, subject: str, data: bytes, headers: dict[str, str]) -> Msg:
        request = self._client.request(subject, data, timeout=ACK_TIMEOUT, headers=headers or None)
        return await self._requests.answer(subject, request, f"appending to {subject}")

    async def _stored_before(self, subject: str, message_id: str) -> Ack | None:
        """Whether a fenced append is a retry of one that was stored. nats-server compares sequences before it looks for duplicates.

        The same id is sent once more, expecting a last message id that nobody has: what is known is acknowledged as a duplicate, what is
        not known is refused, and nothing is stored in either case (tried on nats-server 2.15.1). It needs no right to the JetStream API.
        """
        probe = {"Nats-Msg-Id": message_id, "Nats-Expected-Last-Msg-Id": secrets.token_hex(16)}
        try:
            return acknowledgement(subject, await self._request(subject, b"", probe))
        except Permanent:
            return None

    async def _last(self, pattern: str) -> Message | None:
        return await self._get(self._context.get_last_msg(subjects.STREAM, pattern), f"reading the last message on {pattern}")

    async def _next(self, pattern: str, after: int) -> Message | None:
        request = self._context.get_msg(subjects.STREAM, seq=after + 1, subject=pattern, next=True)
        return await self._get(request, f"reading a message on {pattern}")

    async def _get(self, request: Coroutine[Any, Any, RawStreamMsg], what: str) -> Message | None:
        try:
            return raw_message(await self._requests.answer(API, request, what))
        except NoMessage:
            return None

    def _ask_again(self) -> None:
        for pull in self._pulls:
            pull.lost()
