"""A bridge's client of the embedded bus: append, publish, subscribe and so framed calls, within its run. Light imports: it starts with each pod."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from sympozium_core.bus import validation
from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.contracts.bus import (
    Ack,
    Bus,
    BusDenied,
    BusUnavailable,
    Consumer,
    Fenced,
    LimitReached,
    Message,
    PayloadTooLarge,
    Subscription,
)
from sympozium_core.embedded.bus import wire
from sympozium_core.embedded.bus.permissions import RunUser
from sympozium_core.errors import Permanent, SympoziumError, Temporary

_log = logging.getLogger(__name__)

ACK_TIMEOUT = 15.0
RECONNECT_TIMEOUT = 10.0
_KINDS: dict[str, type[SympoziumError]] = {
    kind.__name__: kind for kind in (Fenced, LimitReached, PayloadTooLarge, BusDenied, BusUnavailable)
}


class _Link:
    """One connection: what waits on it, and the task that reads it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: str, max_payload: int) -> None:
        self.writer, self.user, self.max_payload = writer, RunUser(uid), max_payload
        self.lost = False
        self.mailboxes: dict[int, Mailbox] = {}
        self._reader = reader
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._next = 0
        self._task = asyncio.create_task(self._read())

    def number(self) -> int:
        self._next += 1
        return self._next

    async def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        try:
            self.writer.write(wire.encode(header, data))
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as error:
            self._lose()
            raise BusUnavailable("the connection to the bus is lost") from error

    async def ask(self, header: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        """Sends with an id and waits for the answer to it."""
        if self.lost:
            raise BusUnavailable("the connection to the bus is lost")
        request = self.number()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            await self.send({**header, "id": request}, data)
            async with asyncio.timeout(ACK_TIMEOUT):
                return await answer
        except TimeoutError:
            raise BusUnavailable(f"the bus has not answered for {ACK_TIMEOUT:g} s") from None
        finally:
            del self._answers[request]
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._lose()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                header, data = await wire.read_frame(self._reader, self.max_payload)
                self._take(header, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except wire.WireError as error:
            _log.error("the bus does not speak the protocol: %s", error)
        finally:
            self._lose()

    def _take(self, header: dict[str, Any], data: bytes) -> None:
        if header["op"] == "message":
            mailbox = self.mailboxes.get(wire.whole(header, "sid"))
            reply = wire.text(header, "reply")
            self.user.received(reply)
            if mailbox is not None:
                mailbox.put(Message(wire.text(header, "subject"), data, wire.texts(header, "headers"), reply=reply))
            return
        answer = self._answers.get(header.get("id", 0))
        if answer is not None and not answer.done():
            if header["op"] == "error":
                answer.set_exception(_error(header))
            else:
                answer.set_result(header)
        elif header["op"] == "error":
            _log.warning("the bus refused a message: %s", header.get("message"))

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        self.writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BusUnavailable("the connection to the bus was lost before it answered"))
        for mailbox in self.mailboxes.values():
            mailbox.end(BusUnavailable("the connection to the bus was lost"))
        self.mailboxes.clear()


class RemoteBus(Bus):
    """The bus as a run's own user sees it. What that user may not do raises `BusDenied`.

    When the connection is lost, everything under way raises `BusUnavailable`, subscriptions too, and the next use connects again, for
    at most 10 s. A pod that was revoked gets `BusDenied` then.
    """

    def __init__(self, address: str, token: str, pod: str) -> None:
        self.max_payload = 0
        self.run_uid = ""
        """The run that the pod is assigned to."""
        self._path, self._token, self._pod = wire.socket_path(address), token, pod
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._closed = False

    @classmethod
    async def connect(cls, address: str, token: str, pod: str) -> RemoteBus:
        """Returns when the bus has said which run the pod is assigned to, for a warm pod perhaps much later.

        Raises BusUnavailable when nobody serves there, BusDenied when the bus does not know the pod.
        """
        bus = cls(address, token, pod)
        bus._link = await bus._open()
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
        validation.check_headers(headers)
        validation.check_message_id(message_id)
        validation.check_payload(data, self.max_payload)
        link = await self._connected()
        link.user.check_append(subject)
        validation.check_stored(subject)
        request = {"op": "append", "subject": subject, "expected": expected_last, "messageId": message_id}
        answer = await link.ask({**request, "headers": dict(headers or {})}, data)
        return Ack(wire.whole(answer, "sequence"), answer.get("duplicate") is True)

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        validation.check_not_stored(subject)
        validation.check_headers(headers)
        validation.check_payload(data, self.max_payload)
        link = await self._connected()
        link.user.check_publish(subject, reply)
        await link.send({"op": "publish", "subject": subject, "reply": reply, "headers": dict(headers or {})}, data)

    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        validation.check_pattern(subject)
        link = await self._connected()
        link.user.check_subscribe(subject)
        sid = link.number()

        async def leave() -> None:
            if link.mailboxes.pop(sid, None) is not None:
                with suppress(BusUnavailable):
                    await link.send({"op": "unsubscribe", "sid": sid})

        mailbox = link.mailboxes[sid] = Mailbox(subject, on_close=leave)
        try:
            await link.ask({"op": "subscribe", "sid": sid, "subject": subject, "queue": queue})
        except BaseException:
            link.mailboxes.pop(sid, None)
            raise
        return mailbox

    def inbox(self) -> str:
        return f"_INBOX.{self.run_uid}.{os.urandom(12).hex()}"

    async def close(self) -> None:
        self._closed = True
        if self._link is not None:
            await self._link.close()

    async def last(self, subject: str) -> Message | None:
        self._deny("read stored messages")

    async def read(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        self._deny("read stored messages")
        yield

    async def follow(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        self._deny("read stored messages")
        yield

    async def consumer(self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256) -> Consumer:
        self._deny("open a consumer")

    async def put_object(self, name: str, data: AsyncIterator[bytes]) -> int:
        self._deny("store artifacts; it calls .req.artifact")

    async def get_object(self, name: str) -> AsyncGenerator[bytes, None]:
        self._deny("read artifacts")
        yield

    async def delete_object(self, name: str) -> None:
        self._deny("delete artifacts")

    async def purge(self, subject: str) -> None:
        self._deny("purge")

    def _deny(self, what: str) -> NoReturn:
        raise BusDenied(f"the user of run {self.run_uid} may not {what}")

    async def _connected(self) -> _Link:
        async with self._connecting:
            if self._closed:
                raise BusUnavailable("this client of the bus is closed")
            if self._link is None or self._link.lost:
                if self._link is not None:
                    await self._link.close()
                self._link = await self._reopen()
            return self._link

    async def _reopen(self) -> _Link:
        give_up = time.monotonic() + RECONNECT_TIMEOUT
        pause = 0.02
        while True:
            try:
                async with asyncio.timeout(max(0.0, give_up - time.monotonic())):
                    return await self._open()
            except TimeoutError:
                raise BusUnavailable(f"the bus cannot be reached again within {RECONNECT_TIMEOUT:g} s") from None
            except BusUnavailable:
                if time.monotonic() + pause > give_up:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)

    async def _open(self) -> _Link:
        try:
            with wire.short_path(self._path) as path:
                reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise BusUnavailable(f"nobody serves the bus at {self._path}: {error.strerror}") from error
        try:
            writer.write(wire.encode({"op": "hello", "version": wire.VERSION, "token": self._token, "pod": self._pod}))
            welcome, _ = await wire.read_frame(reader, 0)
            if welcome["op"] != "welcome":
                raise _error(welcome)
            uid = wire.text(welcome, "uid")
            if self.run_uid and uid != self.run_uid:
                raise BusDenied(f"the pod is assigned to run {uid} now, not to {self.run_uid}")
            self.run_uid, self.max_payload = uid, wire.whole(welcome, "maxPayload")
        except BaseException as error:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            if isinstance(error, (asyncio.IncompleteReadError, ConnectionError)):
                raise BusUnavailable("the bus closed the connection before it said which run this is") from error
            if isinstance(error, wire.WireError):
                raise BusUnavailable(f"what serves at {self._path} is not the bus: {error}") from error
            raise
        return _Link(reader, writer, uid, self.max_payload)


def _error(header: dict[str, Any]) -> SympoziumError:
    message, hint = str(header.get("message", "the bus gave no reason")), str(header.get("hint") or "")
    kind = _KINDS.get(str(header.get("kind")), Temporary if header.get("temporary") is True else Permanent)
    return kind(message, hint=hint)
