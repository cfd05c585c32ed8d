"""A request with a streamed reply, written once on `publish` and `subscribe`: the caller's side, and `serve` for the other.

The wire format is in `docs/architecture.md`, "Framed calls". The first request frame goes to the subject, where one server of the queue
takes it; the reply subject of that server's first frame is its own for this call, below the subject of the call, and all
else that the caller has to say (further request frames, credit, cancellation) goes there. A caller that is gone and a server that is gone are both told by
the bus: every frame names a reply subject, and one that nobody hears comes back as ``Status: 503``.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from sympozium_core.bus import frames, subjects
from sympozium_core.bus.serving import CallRequest, CallTimedOut, Handler, Server, serve
from sympozium_core.contracts.bus import Bus, Message, NoResponders, Subscription
from sympozium_core.errors import Permanent, SympoziumError, Temporary

__all__ = ["CallLost", "CallRequest", "CallTimedOut", "Handler", "Server", "call", "call_once", "serve"]

SILENCE = 15.0
"""Seconds without a frame, heartbeats included, after which the server is taken for dead."""

_MEET = 0.25
"""Seconds that leaving a call waits for the server's first frame."""

WINDOW = 32
"""Reply frames that may be under way: at 512 KiB each, 16 MiB at most wait in the caller."""


class CallLost(Temporary):
    """A frame is missing, or the server has fallen silent: what it did is unknown."""


async def call(
    bus: Bus, subject: str, data: bytes, *, deadline: float, silence: float = SILENCE, window: int = WINDOW
) -> AsyncGenerator[bytes, None]:
    """Sends `data` and yields the items of the reply as they come, each whole. Leaving the iterator early cancels the handler.

    `deadline` is in seconds since the epoch. Use ``async with aclosing(call(...))`` where the loop may be left before its end.
    Raises NoResponders, CallLost, CallTimedOut, BusUnavailable, BusDenied, and what the handler raised: `Temporary` or `Permanent` with
    its reason and message.
    """
    if len(data) > frames.MAX_ITEM_BYTES:
        raise Permanent(f"a request of {len(data)} bytes is longer than the {frames.MAX_ITEM_BYTES} that a call carries")
    remaining = deadline - time.time()
    if remaining <= 0:
        raise CallTimedOut(f"the deadline of the call to {subject} had passed {-remaining:.1f} s before it began")
    inbox = subjects.new_inbox(subject)
    replies = await bus.subscribe(inbox)
    caller = _Caller(bus, subject, inbox, replies, time.monotonic() + remaining, silence, window)
    try:
        await caller.begin(data)
        while (item := await caller.next_item()) is not None:
            yield item
    finally:
        await caller.end()


async def call_once(bus: Bus, subject: str, data: bytes, *, deadline: float, silence: float = SILENCE) -> bytes:
    """As `call`, with all items of the reply joined to one."""
    parts: list[bytes] = []
    size = 0
    async with aclosing(call(bus, subject, data, deadline=deadline, silence=silence)) as items:
        async for item in items:
            size += len(item)
            if size > frames.MAX_ITEM_BYTES:
                raise Permanent(f"the reply from {subject} is longer than {frames.MAX_ITEM_BYTES} bytes")
            parts.append(item)
    return b"".join(parts)


class _Caller:
    """One call under way. `server` is where the server listens, known from its first frame."""

    def __init__(
        self, bus: Bus, subject: str, inbox: str, replies: Subscription, deadline: float, silence: float, window: int
    ) -> None:
        self.bus, self.subject, self.inbox = bus, subject, inbox
        self.id = secrets.token_hex(12)
        self.server = ""
        self.done = False
        self._replies, self._messages = replies, aiter(replies)
        self._deadline, self._silence, self._window = deadline, silence, window
        self._pieces: list[bytes] = []
        self._sent = 0
        self._index = 0
        self._taken = 0

    async def begin(self, data: bytes) -> None:
        self._pieces = list(frames.cut(data, frames.frame_bytes(self.bus)))
        remaining = self._deadline - time.monotonic()
        extra = {frames.CREDIT: str(self._window), frames.TIMEOUT: f"{max(remaining, 0.001):.3f}"}
        await self._send(self.subject, extra)

    async def next_item(self) -> bytes | None:
        """The next whole item, or None after the last."""
        parts: list[bytes] = []
        size = 0
        while True:
            await self._grant()
            message = await self._next_frame()
            if frames.LAST in message.headers:
                self.done = True
                self._check_end(message, parts)
                return None
            size += len(message.data)
            if size > frames.MAX_ITEM_BYTES:
                raise CallLost(f"an item of the reply from {self.subject} is longer than {frames.MAX_ITEM_BYTES} bytes")
            parts.append(message.data)
            if frames.MORE not in message.headers:
                return b"".join(parts)

    async def end(self) -> None:
        """Tells the server, when it still works for us, that nobody waits."""
        try:
            if not self.done and not self.server and self._sent:
                await self._meet_server()
            await self._replies.close()
        finally:
            if not self.done and self.server:
                with suppress(SympoziumError):
                    await self.bus.publish(self.server, b"", headers={frames.CALL: self.id, frames.CANCEL: "1"})

    async def _meet_server(self) -> None:
        """A call that is left at once does not know yet whom to tell; a server that is not met here finds nobody with its next frame."""
        with suppress(TimeoutError, SympoziumError, StopAsyncIteration):
            async with asyncio.timeout(_MEET):
                while not self.server and not self.done:
                    message = await anext(self._messages)
                    self.done = frames.nobody_listens(message.headers, message.data) or frames.LAST in message.headers
                    self.server = message.reply

    async def _send(self, to: str, extra: dict[str, str]) -> None:
        headers = {frames.CALL: self.id, frames.INDEX: str(self._sent), **extra}
        if self._sent == len(self._pieces) - 1:
            headers[frames.LAST] = "1"
        await self.bus.publish(to, self._pieces[self._sent], reply=self.inbox, headers=headers)
        self._pieces[self._sent] = b""
        self._sent += 1

    async def _grant(self) -> None:
        if self._taken and self._taken >= self._window // 2:
            taken, self._taken = self._taken, 0
            headers = {frames.CALL: self.id, frames.CREDIT: str(taken)}
            await self.bus.publish(self.server, b"", reply=self.inbox, headers=headers)

    async def _next_frame(self) -> Message:
        """The next frame that carries an index; credit for the request and heartbeats are dealt with on the way."""
        while True:
            message = await self._next_message()
            if frames.nobody_listens(message.headers, message.data):
                self.done = True
                if self.server:
                    raise CallLost(f"the server of {self.subject} went away in the middle of a call")
                raise NoResponders(f"nobody serves {self.subject} now")
            if message.headers.get(frames.CALL) != self.id:
                continue
            self.server = message.reply or self.server
            until = self._sent + max(0, frames.number(message.headers, frames.CREDIT))
            while self._sent < min(until, len(self._pieces)):
                await self._send(self.server, {})
            if frames.HEARTBEAT in message.headers:
                continue
            self._check_index(message)
            return message

    def _check_index(self, message: Message) -> None:
        index = frames.number(message.headers, frames.INDEX)
        if index != self._index:
            raise CallLost(f"the reply from {self.subject} has a gap: frame {index} came where {self._index} was due")
        self._index += 1
        self._taken += 1

    async def _next_message(self) -> Message:
        remaining = self._deadline - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(self._silence, remaining))):
                return await anext(self._messages)
        except TimeoutError:
            if remaining <= self._silence:
                raise CallTimedOut(f"no complete answer from {self.subject} by the deadline of the call") from None
            raise CallLost(f"the server of {self.subject} has been silent for {self._silence:g} s") from None
        except StopAsyncIteration:
            raise CallLost(f"the listener for the reply from {self.subject} was closed") from None

    def _check_end(self, message: Message, parts: list[bytes]) -> None:
        if frames.ERROR in message.headers:
            raise _error(self.subject, message.data)
        if parts:
            raise CallLost(f"the reply from {self.subject} ended in the middle of an item")


def _error(subject: str, data: bytes) -> SympoziumError:
    """The error of an error frame: ``{"reason", "message", "hint", "temporary", "after"}``, all but the message optional."""
    try:
        told = json.loads(data)
        message, reason, hint = (
            str(told["message"]),
            str(told.get("reason") or "InfrastructureError"),
            str(told.get("hint") or ""),
        )
        after = told.get("after")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Permanent(f"the server of {subject} failed and sent an error that cannot be read")
    if told.get("reason") == CallTimedOut.reason and told.get("temporary"):
        return CallTimedOut(message, hint=hint)
    if told.get("temporary"):
        return Temporary(message, after=after if isinstance(after, (int, float)) else None, reason=reason, hint=hint)
    return Permanent(message, reason=reason, hint=hint)
