"""Durable consumers of the embedded bus: what was delivered and not acknowledged is kept in the store and comes again.

Their state is written a little later, many changes at once: a process that is killed forgets the newest deliveries and acknowledgements, as
the contract allows, and no append waits for the disk because a consumer is busy with it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sympozium_core.bus.subjects import journal_filter, matches
from sympozium_core.contracts.bus import BusUnavailable, Consumer, Delivery, Message
from sympozium_core.embedded.bus.reader import Reader
from sympozium_core.embedded.bus.tail import Tail
from sympozium_core.embedded.bus.writer import BusWriter

SAVE_AFTER = 0.2
"""Seconds for which changes are gathered."""
WAKE_AFTER = 0.003
"""Seconds that consumers begin after what they wait for was stored."""
_SKIP_WORTH_KEEPING = 1000
"""After so many messages that were for others, the place is written down, so that the next start does not look at them again."""


@dataclass
class _Pending:
    deliveries: int
    due: float
    """When it comes again, by the monotonic clock."""
    holder: EmbeddedConsumer | None = None


class Durable:
    """The state of one name, shared by everybody in this process who has it open: each message goes to one of them."""

    def __init__(self, name: str, subject: str, writer: BusWriter, reader: Reader, tail: Tail) -> None:
        self.name, self.subject = name, subject
        self.ack_wait, self.max_pending = 30.0, 256
        self._writer, self._reader, self._tail = writer, reader, tail
        self._position = 0
        self._kept = 0
        self._pending: dict[int, _Pending] = {}
        self._stored: set[int] = set()
        """Sequences that the store holds as pending."""
        self._unsaved: dict[int, int] = {}
        """Sequences with how often each was delivered; 0: the store may forget it."""
        self._saving: asyncio.TimerHandle | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._ahead: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._taking = asyncio.Lock()
        self._closed = False

    async def open(self) -> None:
        position, pending = await self._writer.submit(lambda store: store.open_consumer(self.name, self.subject))
        self._position = self._kept = position
        self._pending = {sequence: _Pending(deliveries, 0.0) for sequence, deliveries in pending.items()}
        self._stored = set(pending)

    def wake(self) -> None:
        self._changed.set()

    def wake_soon(self) -> None:
        """For what was stored: whoever waits for that append goes on first, and has answered an agent before the consumers begin."""
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(WAKE_AFTER, self._wake_now)

    def _wake_now(self) -> None:
        self._waking = None
        self.wake()

    def purged(self, pattern: str) -> None:
        """Forgets messages that were read ahead; those that are out are looked up again before they come again."""
        self._ahead = deque(message for message in self._ahead if not matches(pattern, message.subject))

    def close(self) -> None:
        """Before the writer is closed."""
        self._closed = True
        self._save()
        self.wake()

    async def take(self, holder: EmbeddedConsumer) -> Delivery | None:
        """The next message for the holder; None once it is closed."""
        async with self._taking:
            while not holder.closed:
                if self._closed:
                    raise BusUnavailable("the bus is closed")
                self._changed.clear()
                message = await self._due() or await self._new()
                if message is None:
                    await self._wait()
                elif not holder.closed:
                    return self._hand_over(message, holder)
                elif message.sequence not in self._pending:
                    self._ahead.appendleft(message)
        return None

    def acknowledge(self, sequence: int) -> None:
        self._pending.pop(sequence, None)
        self._forget(sequence)
        self.wake()

    def put_off(self, sequence: int, after: float) -> None:
        if (pending := self._pending.get(sequence)) is not None:
            pending.due, pending.holder = time.monotonic() + after, None
            self.wake()

    def release(self, holder: EmbeddedConsumer) -> None:
        """What the holder did not acknowledge is due for whoever takes next."""
        for pending in self._pending.values():
            if pending.holder is holder:
                pending.due, pending.holder = 0.0, None
        self.wake()

    def _hand_over(self, message: Message, holder: EmbeddedConsumer) -> Delivery:
        known = self._pending.get(message.sequence)
        deliveries = known.deliveries + 1 if known else 1
        self._pending[message.sequence] = _Pending(deliveries, time.monotonic() + self.ack_wait, holder)
        self._kept = max(self._kept, message.sequence)
        self._unsaved[message.sequence] = deliveries
        self._save_soon()
        return EmbeddedDelivery(message, deliveries, self)

    async def _due(self) -> Message | None:
        """The oldest message whose time to come again has come."""
        now = time.monotonic()
        for sequence in sorted(sequence for sequence, pending in self._pending.items() if pending.due <= now):
            message = await self._reader.get(sequence)
            if message is not None:
                return message
            del self._pending[sequence]  # purged meanwhile
            self._forget(sequence)
        return None

    def _forget(self, sequence: int) -> None:
        if sequence in self._stored:
            self._unsaved[sequence] = 0
        else:
            self._unsaved.pop(sequence, None)
        self._save_soon()

    def _save_soon(self) -> None:
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(SAVE_AFTER, self._save)

    def _save(self) -> None:
        """In one transaction: the place must not be ahead of what is pending before it."""
        if self._saving is None:
            return
        self._saving.cancel()
        self._saving = None
        changes, self._unsaved, position = self._unsaved, {}, self._kept
        for sequence, deliveries in changes.items():
            (self._stored.add if deliveries else self._stored.discard)(sequence)
        self._writer.note(lambda store: store.consumed(self.name, position, changes))

    async def _new(self) -> Message | None:
        if len(self._pending) >= self.max_pending:
            return None
        if not self._ahead:
            await self._look_ahead()
        return self._ahead.popleft() if self._ahead else None

    async def _look_ahead(self) -> None:
        high = self._tail.high
        recent = self._tail.since(self._position)
        if recent is not None:
            self._ahead.extend(message for message in recent if matches(self.subject, message.subject))
            self._position = high
        else:
            uid, who = journal_filter(self.subject)
            page = await self._reader.page(uid, who, self._position, high)
            self._ahead.extend(page)
            self._position = page[-1].sequence if page else high
        if not self._ahead and self._position - self._kept >= _SKIP_WORTH_KEEPING:
            self._kept = self._position
            self._save_soon()

    async def _wait(self) -> None:
        """Until something is stored, acknowledged, put off or released, or the next one is due."""
        dues = [pending.due for pending in self._pending.values()]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass


class EmbeddedDelivery(Delivery):
    def __init__(self, message: Message, deliveries: int, durable: Durable) -> None:
        self.message, self.deliveries, self._durable = message, deliveries, durable

    async def ack(self) -> None:
        self._durable.acknowledge(self.message.sequence)

    async def nak(self, after: float = 0.0) -> None:
        self._durable.put_off(self.message.sequence, after)


class EmbeddedConsumer(Consumer):
    """One opening of a durable consumer."""

    def __init__(self, durable: Durable) -> None:
        self.closed = False
        self._durable = durable

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        delivery = await self._durable.take(self)
        if delivery is None:
            raise StopAsyncIteration
        return delivery

    async def close(self) -> None:
        self.closed = True
        self._durable.release(self)
