"""Pulling stored messages from JetStream consumers, across restarts of the server: requests that were lost are made again.

nats-py's own fetch waits with a future for each message and its ordered consumers are pushed to; here one subscription takes the
answers of all requests of a consumer (ADR-13 of nats-architecture-and-design: statuses 100, 404, 408, 409, 503).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from sympozium_core.bus.frames import STATUS
from sympozium_core.bus.nats_errors import translated
from sympozium_core.contracts.bus import BusUnavailable

HEARTBEAT = 5.0
_EXPIRES = 60.0
_RETRY = 0.1
_MAX_BYTES = 4 * 1024 * 1024


class ConsumerGone(Exception):
    """The server does not know the consumer: it was deleted, or was in memory when the server went down."""


class Pull:
    """A subscription that asks one consumer for messages, `batch` at a time."""

    def __init__(self, client: Client, stream: str, consumer: str, batch: int) -> None:
        self._client = client
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._batch = batch
        self._answers: deque[Msg] = deque()
        self._changed = asyncio.Event()
        self._open = 0
        """Messages that the server still owes for the last request."""
        self._heard = 0.0
        self._closed = False
        self._inbox = ""

    async def start(self) -> None:
        self._inbox = self._client.new_inbox()
        with translated("subscribing to a consumer's inbox"):
            self._subscription = await self._client.subscribe(self._inbox, cb=self._answered, pending_bytes_limit=0)

    def lost(self) -> None:
        """The connection was broken: what was asked for is not under way any more."""
        self._open = 0
        self._changed.set()

    async def next(self) -> Msg | None:
        """The next message; None once closed. Raises ConsumerGone."""
        while not self._closed:
            if self._answers:
                message = self._answers.popleft()
                if not self._is_status(message):
                    return message
                continue
            self._changed.clear()
            if self._open <= 0:
                await self._ask()
            await self._wait()
        return None

    async def close(self) -> list[Msg]:
        """Stops; returns messages that came and were not taken."""
        self._closed = True
        self._changed.set()
        with suppress(nats.errors.Error):
            await self._subscription.unsubscribe()
        left = [message for message in self._answers if STATUS not in (message.headers or {})]
        self._answers.clear()
        return left

    async def _answered(self, message: Msg) -> None:
        self._heard = time.monotonic()
        self._answers.append(message)
        self._changed.set()

    async def _ask(self) -> None:
        if self._client.is_closed:
            raise BusUnavailable("the connection to NATS is closed")
        if not self._client.is_connected:
            return
        nanoseconds = 1_000_000_000
        request = {"batch": self._batch, "expires": int(_EXPIRES * nanoseconds), "idle_heartbeat": int(HEARTBEAT * nanoseconds)}
        if self._batch > 1:
            request["max_bytes"] = _MAX_BYTES
        with suppress(nats.errors.Error):
            await self._client.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)
            self._open, self._heard = self._batch, time.monotonic()

    async def _wait(self) -> None:
        """Until something comes; gives the request up after two heartbeats were missed."""
        timeout = max(0.0, self._heard + 2 * HEARTBEAT + 1.0 - time.monotonic()) if self._open > 0 else _RETRY
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            self._open = 0

    def _is_status(self, message: Msg) -> bool:
        status = (message.headers or {}).get(STATUS, "")
        if not status:
            self._open -= 1
            return False
        if status == "503" or (status == "409" and "Deleted" in (message.headers or {}).get("Description", "")):
            raise ConsumerGone
        if status != "100":
            self._open = 0
        return True


async def settle(client: Client) -> None:
    """Returns when the server has taken everything that was sent.

    nats-py writes the PING of `flush` past commands that still wait for its flusher task, so an answer to the first may come before them:
    the flusher gets its turn, and the second PING follows what it wrote.
    """
    await asyncio.sleep(0)
    await client.flush(timeout=5)
    await client.flush(timeout=5)


async def stored(
    client: Client, context: JetStreamContext, stream: str, pattern: str, after: int, until: int | None, pulls: set[Pull]
) -> AsyncGenerator[Msg, None]:
    """Messages of the filter above `after` in order, up to `until`, or without end. The consumer for it lives in memory and is deleted."""
    position = after
    while until is None or position < until:
        name, pending = await _ephemeral(context, stream, pattern, position + 1)
        pull = Pull(client, stream, name, 256)
        pulls.add(pull)
        try:
            await pull.start()
            expected = 1
            while (message := await _next(pull, until is not None, pending)) is not None:
                pending -= 1
                metadata = message.metadata
                if metadata.sequence.consumer != expected:
                    break
                expected += 1
                position = metadata.sequence.stream
                yield message
                if until is not None and (position >= until or metadata.num_pending == 0):
                    return
            else:
                return
        except ConsumerGone:
            await asyncio.sleep(_RETRY)
        finally:
            pulls.discard(pull)
            await pull.close()
            with suppress(nats.errors.Error, TimeoutError):
                if client.is_connected:
                    await context.delete_consumer(stream, name)


async def _next(pull: Pull, bounded: bool, pending: int) -> Msg | None:
    """A bounded reader does not wait for what is not there: it may have been purged meanwhile."""
    if not bounded:
        return await pull.next()
    if pending <= 0:
        return None
    try:
        async with asyncio.timeout(4 * HEARTBEAT):
            return await pull.next()
    except TimeoutError:
        raise BusUnavailable("JetStream has stopped in the middle of a read") from None


async def _ephemeral(context: JetStreamContext, stream: str, pattern: str, start: int) -> tuple[str, int]:
    """Name of a new consumer, and how many messages wait for it."""
    config = api.ConsumerConfig(
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=start,
        ack_policy=api.AckPolicy.NONE,
        filter_subject=pattern,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=60.0,
    )
    give_up = time.monotonic() + 60.0
    while True:
        try:
            info = await context.add_consumer(stream, config)
            return str(info.name), int(info.num_pending or 0)
        except NotFoundError as error:
            raise BusUnavailable(f"there is no stream {stream}", hint="let the controller make it") from error
        except (nats.errors.Error, TimeoutError) as error:
            if context._nc.is_closed or time.monotonic() > give_up:
                raise BusUnavailable(f"JetStream does not answer: reading {pattern}") from error
            await asyncio.sleep(_RETRY)
