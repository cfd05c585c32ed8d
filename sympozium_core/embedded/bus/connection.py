"""One bridge's connection to the embedded bus: who it is, and then what it asks for, within its permissions and bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from sympozium_core.bus import validation
from sympozium_core.bus.run_user import RunUser
from sympozium_core.contracts.bus import BusDenied, Subscription
from sympozium_core.embedded.bus import wire
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.errors import SympoziumError, Temporary

_log = logging.getLogger(__name__)

Authenticate = Callable[[str, str], Awaitable[str | None]]
"""Token and pod id to the UID of the run that the pod is assigned to, waiting until it is; None refuses."""

HELLO_TIMEOUT = 10.0
MAX_HELLO = 4096
TOGETHER_BYTES = 64 * 1024
"""Frames of one moment are gathered up to this size; beyond, a slow client is waited for."""
MAX_SUBSCRIPTIONS = 256
MAX_APPENDS = 64
"""Appends of one connection that may be under way; the next is not read before one of them is answered."""


class Connection:
    def __init__(
        self, bus: EmbeddedBus, authenticate: Authenticate, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.pod = ""
        """The pod that it says to be; proved once `user` is set."""
        self.user: RunUser | None = None
        self._bus, self._authenticate = bus, authenticate
        self._reader, self._writer = reader, writer
        self._subscriptions: dict[int, tuple[Subscription, asyncio.Task[None]]] = {}
        self._appends: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MAX_APPENDS)
        self._task = asyncio.current_task()
        self._finished = asyncio.Event()
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._stopped = self._leaving = False

    async def run(self) -> None:
        """Serves until the client leaves, breaks the protocol, or is stopped."""
        try:
            await self._welcome()
            await self._serve()
        except wire.WireError as error:
            _log.warning("closed a connection of pod %r to the bus: %s", self.pod[:80], error)
        except BusDenied as error:
            await self._send({"op": "error", "kind": "BusDenied", "message": error.message})
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass
        except asyncio.CancelledError:
            if not self._stopped:
                raise
        finally:
            await self._leave()

    async def stop(self) -> None:
        """Disconnects at once. After this, nothing that the client had asked for will still be stored."""
        self._stopped = True
        self._writer.transport.abort()
        if self._task is not None and not self._leaving:
            self._task.cancel()
        await self._finished.wait()

    async def _welcome(self) -> None:
        async with asyncio.timeout(HELLO_TIMEOUT):
            hello, _ = await wire.read_frame(self._reader, 0)
        token, pod = wire.text(hello, "token"), wire.text(hello, "pod")
        if hello["op"] != "hello" or hello.get("version") != wire.VERSION or len(token) > MAX_HELLO or not 0 < len(pod) <= 253:
            raise BusDenied(f"a connection begins with hello, version {wire.VERSION}, a token and a pod")
        self.pod = pod
        uid = await self._assigned(token, pod)
        if uid is None:
            raise BusDenied(f"the bus does not know pod {pod} with that token")
        self.user = RunUser(uid)
        await self._send({"op": "welcome", "uid": uid, "inbox": self.user.inbox, "maxPayload": self._bus.max_payload})

    async def _assigned(self, token: str, pod: str) -> str | None:
        """Waits for the assignment, and no longer than the client does: one that speaks or leaves meanwhile is let go."""
        asked = asyncio.ensure_future(self._authenticate(token, pod))
        left = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait((asked, left), return_when=asyncio.FIRST_COMPLETED)
            if not asked.done():
                raise ConnectionResetError
            return asked.result()
        finally:
            for task in (asked, left):
                task.cancel()
            await asyncio.gather(asked, left, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            header, data = await wire.read_frame(self._reader, self._bus.max_payload + 1)
            operation = header["op"]
            try:
                if operation == "append":
                    await self._append(header, data)
                elif operation == "publish":
                    await self._publish(header, data)
                elif operation == "subscribe":
                    await self._subscribe(header)
                elif operation == "unsubscribe":
                    await self._unsubscribe(wire.whole(header, "sid"))
                else:
                    raise BusDenied(f"a run's user may not {operation[:40]}")
            except SympoziumError as error:
                await self._send_error(header, error)

    async def _append(self, header: dict[str, Any], data: bytes) -> None:
        subject = wire.text(header, "subject")
        self._user.check_append(subject)
        validation.check_stored(subject)
        request = wire.whole(header, "id")
        expected = wire.whole(header, "expected") if header.get("expected") is not None else None
        message_id, headers = wire.text(header, "messageId"), wire.texts(header, "headers")

        async def append() -> None:
            try:
                ack = await self._bus.append(subject, data, expected_last=expected, message_id=message_id, headers=headers)
                await self._send({"op": "ack", "id": request, "sequence": ack.sequence, "duplicate": ack.duplicate})
            except SympoziumError as error:
                await self._send_error(header, error)
            finally:
                self._room.release()

        await self._room.acquire()
        task = asyncio.create_task(append())
        self._appends.add(task)
        task.add_done_callback(self._appends.discard)

    async def _publish(self, header: dict[str, Any], data: bytes) -> None:
        subject, reply = wire.text(header, "subject"), wire.text(header, "reply")
        self._user.check_publish(subject, reply)
        await self._bus.publish(subject, data, reply=reply, headers=wire.texts(header, "headers"))

    async def _subscribe(self, header: dict[str, Any]) -> None:
        subject, sid = wire.text(header, "subject"), wire.whole(header, "sid")
        self._user.check_subscribe(subject)
        if sid in self._subscriptions or len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise BusDenied(f"a connection has at most {MAX_SUBSCRIPTIONS} subscriptions, each with its own sid")
        subscription = await self._bus.subscribe(subject, queue=wire.text(header, "queue"))
        self._subscriptions[sid] = (subscription, asyncio.create_task(self._forward(sid, subscription)))
        await self._send({"op": "ack", "id": wire.whole(header, "id")})

    async def _unsubscribe(self, sid: int) -> None:
        if (known := self._subscriptions.pop(sid, None)) is not None:
            subscription, task = known
            await subscription.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _forward(self, sid: int, subscription: Subscription) -> None:
        """A slow client fills this subscription's own mailbox, and nobody else waits for it."""
        with suppress(ConnectionError):
            async for message in subscription:
                header: dict[str, Any] = {"op": "message", "sid": sid, "subject": message.subject}
                if message.reply:
                    header["reply"] = message.reply
                if message.headers:
                    header["headers"] = dict(message.headers)
                await self._send(header, message.data)

    @property
    def _user(self) -> RunUser:
        assert self.user is not None
        return self.user

    async def _send_error(self, header: dict[str, Any], error: SympoziumError) -> None:
        told: dict[str, Any] = {"op": "error", "kind": type(error).__name__, "message": error.message, "hint": error.hint}
        told |= {"temporary": isinstance(error, Temporary), "reason": error.reason}
        if isinstance(header.get("id"), int):
            told["id"] = header["id"]
        await self._send(told)

    async def _send(self, header: dict[str, Any], data: bytes = b"") -> None:
        """What is sent at the same time goes out at once: each write wakes the other process."""
        frame = wire.encode(header, data)
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(frame)
        self._outgoing_bytes += len(frame)
        if self._outgoing_bytes >= TOGETHER_BYTES:
            self._flush()
        with suppress(ConnectionError):
            await self._writer.drain()

    def _flush(self) -> None:
        if self._outgoing:
            self._writer.write(b"".join(self._outgoing))
            self._outgoing.clear()
            self._outgoing_bytes = 0

    async def _leave(self) -> None:
        self._leaving = True
        try:
            for sid in list(self._subscriptions):
                await self._unsubscribe(sid)
            self._flush()
            self._writer.close()
            await asyncio.gather(*self._appends, return_exceptions=True)
            with suppress(ConnectionError):
                await self._writer.wait_closed()
        finally:
            self._finished.set()
