"""The bus of a process of the control plane: waits for NATS, which may come up after it."""

from __future__ import annotations

import asyncio
import logging

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.users import CONTROL_INBOX
from sympozium_core.contracts.bus import BusUnavailable
from sympozium_core.settings import BusSettings

log = logging.getLogger(__name__)


async def connect_bus(settings: BusSettings, *, ensure_stream: bool = False, inbox_prefix: str = CONTROL_INBOX) -> JetStreamBus:
    """Returns when connected, however long that takes. Raises BusDenied, and Permanent for a file that cannot be used."""
    attempts = Attempts(BackOff(first=0.2, longest=5.0))
    while True:
        try:
            return await JetStreamBus.connect(
                settings.address,
                seed_file=settings.seed_file,
                ca_file=settings.ca_file,
                ensure_stream=ensure_stream,
                inbox_prefix=inbox_prefix,
            )
        except BusUnavailable as error:
            log.info("%s; tried again", error.message)
        await asyncio.sleep(attempts.failed())
