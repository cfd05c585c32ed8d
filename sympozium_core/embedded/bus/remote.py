"""A bridge's client of the embedded bus: append, publish, subscribe and so framed calls, within its run. Light imports: it starts with each pod."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from sympozium_core.bus import validation
from sympozium_core.bus.run_user import RunUserBus
from sympozium_core.contracts.bus import Ack, BusDenied, BusUnavailable, Subscription
from sympozium_core.embedded.bus import wire
from sympozium_core.embedded.bus.link import Link, error_of

RECONNECT_TIMEOUT = 10.0


class RemoteBus(RunUserBus):
    """The bus as a run's own user sees it. What that user may not do raises `BusDenied`.

    When the connection is lost, everything under way raises `BusUnavailable`, subscriptions too, and the next use connects again, for
    at most 10 s. A pod that was revoked gets `BusDenied` then.
    """

    def __init__(self, address: str, token: str, pod: str) -> None:
        self.max_payload = 0
        self.run_uid = ""
        self._path, self._token, self._pod = wire.socket_path(address), token, pod
        self._link: Link | None = None
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
        if link.is_inbox(subject) and not queue:
            return await link.listen(subject)
        return await link.subscribe(subject, queue)

    async def close(self) -> None:
        self._closed = True
        if self._link is not None:
            await self._link.close()

    async def _connected(self) -> Link:
        async with self._connecting:
            if self._closed:
                raise BusUnavailable("this client of the bus is closed")
            if self._link is None or self._link.lost:
                if self._link is not None:
                    await self._link.close()
                self._link = await self._reopen()
            return self._link

    async def _reopen(self) -> Link:
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

    async def _open(self) -> Link:
        try:
            with wire.short_path(self._path) as path:
                reader, writer = await asyncio.open_unix_connection(path)
        except OSError as error:
            raise BusUnavailable(f"nobody serves the bus at {self._path}: {error.strerror}") from error
        try:
            writer.write(wire.encode({"op": "hello", "version": wire.VERSION, "token": self._token, "pod": self._pod}))
            welcome, _ = await wire.read_frame(reader, 0)
            if welcome["op"] != "welcome":
                raise error_of(welcome)
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
        return Link(reader, writer, uid, self.max_payload)
