"""The bus contract on NATS JetStream, by nats-py. Needs nats-server 2.10 or newer with JetStream.

`append` is a plain request, so that a user without any right to the JetStream API can do it. `last`, `read`, `follow`, consumers,
artifacts and `purge` are for users of the control plane.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from sympozium_core.bus import nats_stream, subjects, validation
from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.bus.nats_consumer import JetStreamConsumer, open_consumer
from sympozium_core.bus.nats_errors import NoMessage, translated
from sympozium_core.bus.nats_messages import acknowledgement, live_message, raw_message, stored_message, wide
from sympozium_core.bus.nats_objects import Artifacts
from sympozium_core.bus.nats_pull import Pull, settle, stored
from sympozium_core.bus.nats_requests import API, CONNECT, Requests
from sympozium_core.bus.nats_stream import StreamLimits
from sympozium_core.contracts.bus import Ack, Bus, BusDenied, BusUnavailable, Consumer, Fenced, Message, Subscription
from sympozium_core.errors import Permanent

_log = logging.getLogger(__name__)

ACK_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5.0
_OWN_HEADERS = 1024
"""Room for the headers that `append` adds."""


class JetStreamBus(Bus):
    """Made by `connect`. Survives restarts of the server: appends under way raise BusUnavailable, readers and listeners go on."""

    def __init__(self, client: Client, inbox_prefix: str) -> None:
        self._client = client
        self._inbox_prefix = inbox_prefix
        self._context = client.jetstream(timeout=ACK_TIMEOUT)
        self._pulls: set[Pull] = set()
        self._mailboxes: set[Mailbox] = set()
        self._requests = Requests(client)
        self._artifacts = Artifacts(client, self._context, self._pulls)
        self.max_payload = 0

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        credentials_file: str = "",
        ensure_stream: bool = False,
        limits: StreamLimits | None = None,
        inbox_prefix: str = "_INBOX.control",
        timeout: float = CONNECT_TIMEOUT,
    ) -> JetStreamBus:
        """`url` is ``nats://host:port`` or ``tls://host:port``. With `ensure_stream` the stream and the bucket are made where they are missing.

        Raises BusUnavailable when the server does not answer within `timeout` seconds, BusDenied when it does not take the user.
        """
        client, begun = Client(), False
        bus = cls(client, inbox_prefix)
        options = {"user": user, "password": password, "token": token, "user_credentials": credentials_file}
        try:
            async with asyncio.timeout(timeout):
                await _await_port(url)
                begun = True
                connecting = client.connect(
                    url,
                    name="sympozium",
                    inbox_prefix=inbox_prefix,
                    error_cb=bus._on_error,
                    disconnected_cb=bus._on_disconnected,
                    reconnected_cb=bus._on_reconnected,
                    closed_cb=bus._on_closed,
                    reconnect_time_wait=0.1,  # type: ignore[arg-type]  # nats-py only sleeps for it
                    max_reconnect_attempts=-1,
                    ping_interval=10,
                    **{option: value for option, value in options.items() if value},  # type: ignore[arg-type]
                )
                await bus._requests.answer(CONNECT, connecting, "connecting")
        except (BusDenied, BusUnavailable, OSError, TimeoutError) as error:
            if begun:
                with suppress(nats.errors.Error, OSError):
                    await client.close()
            host = urlsplit(url).hostname
            if isinstance(error, BusDenied):
                raise BusDenied(f"NATS at {host} does not take this user") from error
            raise BusUnavailable(f"NATS at {host} cannot be reached: {str(error) or 'no answer in time'}") from error
        bus.max_payload = client.max_payload - validation.MAX_HEADERS - _OWN_HEADERS
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
        messages = stored(self._client, self._context, subjects.STREAM, wide(subject), after, newest.sequence, self._pulls)
        async with aclosing(messages) as found:
            async for message in found:
                yield stored_message(message)

    async def follow(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        validation.check_filter(subject)
        messages = stored(self._client, self._context, subjects.STREAM, wide(subject), after, None, self._pulls)
        async with aclosing(messages) as found:
            async for message in found:
                yield stored_message(message)
        raise BusUnavailable("the bus is closed")

    async def consumer(self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256) -> Consumer:
        validation.check_consumer(name)
        validation.check_filter(subject)
        await open_consumer(self._context, subjects.STREAM, name, wide(subject), ack_wait, max_pending)
        consumer = JetStreamConsumer(self._client, subjects.STREAM, name, stored_message, self._pulls)
        await consumer.start()
        return consumer

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        validation.check_not_stored(subject)
        if reply:
            validation.check_subject(reply)
        validation.check_headers(headers)
        validation.check_payload(data, self.max_payload)
        self._check_connected()
        with translated(f"publishing to {subject}"):
            await self._client.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)

    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        validation.check_pattern(subject)
        self._check_connected()

        async def leave() -> None:
            self._mailboxes.discard(mailbox)
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

        async def heard(message: Msg) -> None:
            mailbox.put(live_message(message))

        mailbox = Mailbox(subject, on_close=leave)
        with translated(f"subscribing to {subject}"):
            subscription = await self._client.subscribe(subject, queue=queue, cb=heard)
            self._mailboxes.add(mailbox)
            if not subject.startswith(self._inbox_prefix):  # who writes there learns of it from us, after this
                await settle(self._client)
        return mailbox

    def inbox(self) -> str:
        return f"{self._inbox_prefix}.{secrets.token_hex(12)}"

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

    async def close(self) -> None:
        for pull in list(self._pulls):
            await pull.close()
        with suppress(nats.errors.Error, OSError):
            await self._client.close()
        self._end(None)

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
        request = self._context.get_last_msg(subjects.STREAM, pattern)
        try:
            raw = await self._requests.answer(API, request, f"reading the last message on {pattern}")
        except NoMessage:
            return None
        return raw_message(raw)

    def _check_connected(self) -> None:
        if not self._client.is_connected:
            raise BusUnavailable("not connected to NATS now")

    async def _on_error(self, error: Exception) -> None:
        """nats-py prints to the terminal unless it is given this."""
        _log.debug("NATS: %s", error)
        self._requests.refused(error)

    async def _on_disconnected(self) -> None:
        self._requests.lost()

    async def _on_reconnected(self) -> None:
        for pull in self._pulls:
            pull.lost()

    async def _on_closed(self) -> None:
        self._end(BusUnavailable("the connection to NATS is closed"))

    def _end(self, error: BusUnavailable | None) -> None:
        for mailbox in self._mailboxes:
            mailbox.end(error)
        self._mailboxes.clear()


async def _await_port(url: str) -> None:
    """nats-py waits two seconds after a first attempt that failed, so the port is tried before it is asked."""
    parts = urlsplit(url)
    while True:
        try:
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            return
