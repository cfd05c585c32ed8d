"""The server's side of framed calls: takes requests, runs a handler for each, streams what it yields. Callers are not trusted.

Used through `sympozium_core.bus.calls`, which describes the protocol.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

from sympozium_core.bus import frames, subjects
from sympozium_core.contracts.bus import Bus, Message, Subscription
from sympozium_core.errors import Permanent, SympoziumError, Temporary

_log = logging.getLogger(__name__)

HEARTBEAT_INTERVAL = 5.0
FIRST_BEAT = 0.05
"""Seconds after which a server that has nothing to say yet says that it is there; what is answered sooner says so itself."""
MAX_TIMEOUT = 24 * 3600.0
REQUEST_WINDOW = 16
"""Request frames that may be under way to the server."""


class CallTimedOut(Temporary):
    """The deadline of the call has passed."""

    reason = "Timeout"


@dataclass(frozen=True)
class CallRequest:
    subject: str
    data: bytes
    deadline: float
    """Seconds since the epoch by this machine's clock, after which nobody waits for the answer."""


Handler = Callable[[CallRequest], AsyncIterator[bytes]]
"""An async generator function. Each item it yields arrives as one item; what it raises reaches the caller (a `SympoziumError`) or the log."""


@dataclass(frozen=True)
class ServerLimits:
    request_bytes: int = frames.MAX_ITEM_BYTES
    subject_bytes: int = 2 * frames.MAX_ITEM_BYTES
    """Of all requests on one subject that are being answered, that is of one run."""
    total_bytes: int = 16 * frames.MAX_ITEM_BYTES
    """Of all requests that are being answered."""
    calls: int = 512
    """Calls at once, of all callers."""
    subject_calls: int = 32
    """Calls at once on one subject, that is of one run."""
    heartbeat: float = HEARTBEAT_INTERVAL


async def serve(bus: Bus, subject: str, handler: Handler, *, queue: str, limits: ServerLimits | None = None) -> Server:
    """Answers calls on the subject or pattern until closed; of several servers with one `queue`, each call goes to one."""
    server = Server(bus, handler, limits or ServerLimits())
    await server.start(subject, queue)
    return server


class Server:
    """Listens for first frames on the subject and for all further ones below it: ``<subject of the call>.<server>.<call>``, so that a
    run's user needs no right beyond its own requests, and no other run can speak into a call."""

    def __init__(self, bus: Bus, handler: Handler, limits: ServerLimits) -> None:
        self.bus, self.handler, self.limits = bus, handler, limits
        self._id = secrets.token_hex(8)
        self._served: dict[str, _Served] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._per_subject: Counter[str] = Counter()
        self._subscriptions: list[Subscription] = []
        self._listeners: list[asyncio.Task[None]] = []

    @property
    def active(self) -> int:
        """Calls that are being answered now."""
        return len(self._served)

    async def start(self, subject: str, queue: str) -> None:
        control = await self.bus.subscribe(f"{subject}.{self._id}.*")
        self._subscriptions.append(control)
        requests = await self.bus.subscribe(subject, queue=queue)
        self._subscriptions.append(requests)
        self._listeners = [asyncio.create_task(self._take_control(control)), asyncio.create_task(self._take_requests(requests))]

    async def close(self) -> None:
        """Ends every call with a temporary error, so that callers try elsewhere at once."""
        for subscription in reversed(self._subscriptions):
            with suppress(SympoziumError):
                await subscription.close()
        for served in list(self._served.values()):
            served.stop(Temporary("the server is stopping", after=0.0))
        tasks = [*self._listeners, *self._tasks]
        for task in self._listeners:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def too_much(self, subject: str, size: int) -> SympoziumError | None:
        """Why a request that has grown to `size` bytes may not grow on, or None."""
        if size > self.limits.request_bytes:
            return Permanent(f"a request of more than {self.limits.request_bytes} bytes is refused")
        held = [(served.subject, served.held) for served in self._served.values()]
        of_subject = sum(held_bytes for held_subject, held_bytes in held if held_subject == subject)
        if of_subject > self.limits.subject_bytes or sum(held_bytes for _, held_bytes in held) > self.limits.total_bytes:
            return Temporary("too many bytes of requests are being answered at once", after=1.0)
        return None

    async def _take_control(self, messages: Subscription) -> None:
        async for message in messages:
            served = self._served.get(message.subject.rpartition(".")[2])
            if served is not None and served.control == message.subject:
                served.receive(message)

    async def _take_requests(self, messages: Subscription) -> None:
        try:
            async for message in messages:
                self._accept(message)
        except SympoziumError as error:
            _log.error("stopped listening for calls: %s", error)

    def _accept(self, message: Message) -> None:
        reply, call = message.reply, message.headers.get(frames.CALL, "")
        if not (subjects.may_reply(message.subject, reply) and len(reply) <= 256 and 0 < len(call) <= 64):
            _log.warning("refused a request on %s that is not a framed call from an inbox of that run", message.subject)
            return
        token = secrets.token_hex(8)
        served = _Served(self, message, f"{message.subject}.{self._id}.{token}")
        self._served[token] = served
        self._per_subject[message.subject] += 1
        if len(self._served) > self.limits.calls or self._per_subject[message.subject] > self.limits.subject_calls:
            served.refusal = Temporary(f"too many calls to {message.subject} at once", after=1.0)
        task = served.task = asyncio.create_task(served.run())
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._forget(token, message.subject, done))

    def _forget(self, token: str, subject: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._served.pop(token, None)
        self._per_subject[subject] -= 1
        if not self._per_subject[subject]:
            del self._per_subject[subject]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a call to %s could not be answered", subject, exc_info=error)


class _Served:
    """One call: gathers the request, runs the handler within the deadline, sends frames as the caller grants credit."""

    def __init__(self, server: Server, first: Message, control: str) -> None:
        self.task: asyncio.Task[None] | None = None
        self.refusal: SympoziumError | None = None
        self._server, self._bus, self.control = server, server.bus, control
        self.subject, self._reply = first.subject, first.reply
        self._call = first.headers[frames.CALL]
        self._deadline = time.monotonic() + _timeout(first)
        self._parts: list[bytes] = []
        self.held = self._received = 0
        self._complete = False
        self._arrived = asyncio.Event()
        self._credit = max(0, frames.number(first.headers, frames.CREDIT))
        self._granted = asyncio.Event()
        self._index = 0
        self._sent_at = 0.0
        self._gone = False
        self._add(first)

    def receive(self, message: Message) -> None:
        """A message on this call's own subject: credit, cancellation, a further request frame, or word that the caller is gone."""
        if frames.nobody_listens(message.headers, message.data):
            self._leave()
            return
        if message.headers.get(frames.CALL) != self._call:
            return
        if frames.CANCEL in message.headers:
            self._leave()
        elif (credit := frames.number(message.headers, frames.CREDIT)) > 0:
            self._credit = min(self._credit + credit, 1_000_000)
            self._granted.set()
        elif frames.INDEX in message.headers:
            self._add(message)

    def stop(self, error: SympoziumError) -> None:
        """Ends the call with the error, whatever the handler is doing."""
        self.refusal = self.refusal or error
        if self.task is not None:
            self.task.cancel()

    def _leave(self) -> None:
        self._gone = True
        if self.task is not None:
            self.task.cancel()

    def _add(self, message: Message) -> None:
        if self._complete or self.refusal is not None:
            return
        index = frames.number(message.headers, frames.INDEX)
        self.held += len(message.data)
        if index != self._received:
            self.refusal = Temporary(f"the request has a gap: frame {index} came where {self._received} was due")
        else:
            self.refusal = self._server.too_much(self.subject, self.held)
        if self.refusal is None:
            self._received += 1
            self._parts.append(message.data)
            self._complete = frames.LAST in message.headers
        else:
            self._parts.clear()
        self._arrived.set()

    async def run(self) -> None:
        beat = asyncio.create_task(self._beat())
        try:
            await self._answer()
        except asyncio.CancelledError:
            if not self._gone:
                if self.refusal is None:
                    raise
                await self._fail(self.refusal)
        except SympoziumError as error:
            await self._fail(error)
        except Exception:
            _log.exception("the handler of %s failed", self.subject)
            await self._fail(Permanent("internal error", hint="the log of the server has the details"))
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)

    async def _answer(self) -> None:
        timeout = asyncio.timeout(max(0.0, self._deadline - time.monotonic()))
        try:
            async with timeout:
                await self._gather()
                await self._handle()
        except TimeoutError:
            if timeout.expired():
                raise CallTimedOut(f"no complete answer on {self.subject} by the deadline of the call") from None
            raise
        await self._send(b"", {frames.INDEX: str(self._index), frames.LAST: "1"})

    async def _gather(self) -> None:
        """Waits for the whole request, granting further frames as they come; the first came by itself."""
        granted = 1
        while self.refusal is None and not self._complete:
            self._arrived.clear()
            if granted - self._received <= REQUEST_WINDOW // 2:
                granted += REQUEST_WINDOW
                await self._heartbeat({frames.CREDIT: str(REQUEST_WINDOW)})
            await self._arrived.wait()
        if self.refusal is not None:
            raise self.refusal

    async def _handle(self) -> None:
        request = CallRequest(self.subject, b"".join(self._parts), time.time() + self._deadline - time.monotonic())
        self._parts.clear()
        items = self._server.handler(request)
        try:
            async for item in items:
                await self._send_item(item)
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    async def _send_item(self, item: bytes) -> None:
        if len(item) > frames.MAX_ITEM_BYTES:
            raise Permanent(f"an item of {len(item)} bytes is longer than the {frames.MAX_ITEM_BYTES} that a call carries")
        size = frames.frame_bytes(self._bus)
        count = max(1, -(-len(item) // size))
        for number, piece in enumerate(frames.cut(item, size)):
            while self._credit <= 0:
                self._granted.clear()
                await self._granted.wait()
            self._credit -= 1
            headers = {frames.INDEX: str(self._index)}
            if number < count - 1:
                headers[frames.MORE] = "1"
            self._index += 1
            await self._send(piece, headers)

    async def _beat(self) -> None:
        interval = self._server.limits.heartbeat
        await asyncio.sleep(min(FIRST_BEAT, interval))
        if not self._sent_at:
            await self._heartbeat({})
        while True:
            await asyncio.sleep(max(interval / 10, self._sent_at + interval - time.monotonic()))
            if time.monotonic() - self._sent_at >= interval:
                with suppress(SympoziumError):
                    await self._heartbeat({})

    async def _heartbeat(self, extra: dict[str, str]) -> None:
        await self._send(b"", {frames.HEARTBEAT: "1", **extra})

    async def _fail(self, error: SympoziumError) -> None:
        told: dict[str, object] = {"reason": error.reason, "message": error.message, "temporary": isinstance(error, Temporary)}
        if error.hint:
            told["hint"] = error.hint
        if isinstance(error, Temporary) and error.after is not None:
            told["after"] = error.after
        headers = {frames.INDEX: str(self._index), frames.LAST: "1", frames.ERROR: "1"}
        try:
            await self._send(json.dumps(told).encode(), headers)
        except SympoziumError as lost:
            _log.warning("the caller of %s did not learn that the call failed: %s", self.subject, lost)

    async def _send(self, data: bytes, headers: dict[str, str]) -> None:
        self._sent_at = time.monotonic()
        await self._bus.publish(self._reply, data, reply=self.control, headers={frames.CALL: self._call, **headers})


def _timeout(first: Message) -> float:
    """Seconds that the caller waits, within (0, one day]; a caller that does not say waits as long as one heartbeat lasts."""
    try:
        seconds = float(first.headers.get(frames.TIMEOUT, ""))
    except ValueError:
        return HEARTBEAT_INTERVAL
    return min(max(seconds, 0.0), MAX_TIMEOUT) if math.isfinite(seconds) else HEARTBEAT_INTERVAL
