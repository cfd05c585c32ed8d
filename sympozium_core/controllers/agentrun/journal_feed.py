"""The durable consumer of every run's journal: wakes the run's reconcile when its tools are ready and at its result, and tells the plugins of each entry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import EntryType, JournalEntry, entries
from sympozium_core.contracts.bus import Bus, BusUnavailable, Message

log = logging.getLogger(__name__)

CONSUMER = "controller"
AHEAD = 32
"""Messages that wait to be looked at: each takes a moment only."""
WAKING = (EntryType.STARTED, EntryType.RESULT)
"""Entries that change what the run's status says."""

Told = Callable[[str, JournalEntry], None]
"""Called with the run's UID and the entry, at least once for each."""


async def feed(bus: Bus, wake: Callable[[str], None], tell: Told) -> None:
    """Runs until cancelled. An entry is acknowledged after `tell` has seen it: a kill in between brings it again."""
    while True:
        try:
            await _consume(bus, wake, tell)
        except BusUnavailable as error:
            log.warning("the journal feed lost the bus: %s", error)
            await asyncio.sleep(error.after or 1.0)


async def _consume(bus: Bus, wake: Callable[[str], None], tell: Told) -> None:
    consumer = await bus.consumer(CONSUMER, subjects.journal("*"), ahead=AHEAD)
    try:
        async for delivery in consumer:
            message = delivery.message
            uid = subjects.uid_of(message.subject)
            async with aclosing(entries(_only(message), fetch=lambda of, since: bus.read(of, after=since))) as found:
                async for entry in found:
                    if entry.entry["type"] in WAKING:
                        wake(uid)
                    tell(uid, entry)
            await delivery.ack()
    finally:
        await consumer.close()


async def _only(message: Message) -> AsyncIterator[Message]:
    yield message
