"""Durable consumers on JetStream: no more messages at a time than may wait in a client's memory while their `ack_wait` runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from sympozium_core.bus.nats_errors import translated
from sympozium_core.bus.nats_pull import ConsumerGone, Pull, settle
from sympozium_core.contracts.bus import BusUnavailable, Consumer, Delivery, Message
from sympozium_core.errors import Permanent

_ACK_TIMEOUT = 5.0
_GONE_PAUSE = 0.2
_GONE_TRIES = 50
"""A restarted server does not know its consumers before it has loaded them."""

ToMessage = Callable[[Msg], Message]


async def open_consumer(
    context: JetStreamContext, stream: str, name: str, subject: str, ack_wait: float, max_pending: int
) -> None:
    """Makes the durable consumer, or gives an existing one these settings."""
    config = api.ConsumerConfig(
        name=name,
        durable_name=name,
        filter_subject=subject,
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_ack_pending=max_pending,
        max_deliver=-1,
    )
    with translated(f"opening consumer {name}"):
        try:
            known = (await context.consumer_info(stream, name)).config.filter_subject
        except NotFoundError:
            known = subject
        if known != subject:
            raise Permanent(f"consumer {name} is on {known}, not on {subject}", hint="take another name")
        await context.add_consumer(stream, config)


class JetStreamConsumer(Consumer):
    """One opening of a durable consumer."""

    def __init__(self, client: Client, stream: str, name: str, to_message: ToMessage, pulls: set[Pull], ahead: int) -> None:
        self._client, self._to_message, self._pulls = client, to_message, pulls
        self._pull = Pull(client, stream, name, ahead)
        self._name = name
        self._held: dict[str, JetStreamDelivery] = {}

    async def start(self) -> None:
        await self._pull.start()
        self._pulls.add(self._pull)

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        for _ in range(_GONE_TRIES):
            try:
                message = await self._pull.next()
            except ConsumerGone:
                self._pull.lost()
                await asyncio.sleep(_GONE_PAUSE)
                continue
            if message is None:
                raise StopAsyncIteration
            delivery = JetStreamDelivery(self._client, message, self._to_message(message), self._held)
            self._held[message.reply] = delivery
            return delivery
        raise BusUnavailable(f"consumer {self._name} is gone", hint="open it again")

    async def close(self) -> None:
        """Gives back what was not acknowledged, so that whoever opens the name next need not wait for it."""
        self._pulls.discard(self._pull)
        left = await self._pull.close()
        with suppress(nats.errors.Error, TimeoutError, BusUnavailable):
            for reply in [*self._held, *(message.reply for message in left)]:
                await self._client.publish(reply, b"-NAK")
            if self._client.is_connected:
                await settle(self._client)
        self._held.clear()


class JetStreamDelivery(Delivery):
    def __init__(self, client: Client, raw: Msg, message: Message, held: dict[str, JetStreamDelivery]) -> None:
        self.message, self.deliveries = message, raw.metadata.num_delivered
        self._client, self._reply, self._held = client, raw.reply, held

    async def ack(self) -> None:
        with translated(f"acknowledging message {self.message.sequence}"):
            await self._client.request(self._reply, b"+ACK", timeout=_ACK_TIMEOUT)
        self._held.pop(self._reply, None)

    async def nak(self, after: float = 0.0) -> None:
        self._held.pop(self._reply, None)
        told = b"-NAK " + json.dumps({"delay": int(after * 1_000_000_000)}).encode() if after > 0 else b"-NAK"
        with translated(f"putting off message {self.message.sequence}"):
            await self._client.publish(self._reply, told)
