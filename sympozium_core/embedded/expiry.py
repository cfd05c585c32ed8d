"""Events live for a while and are then dropped, as on an API server with ``--event-ttl``."""

from __future__ import annotations

import asyncio
import logging

from sympozium_core.clock import Clock
from sympozium_core.contracts.cluster import ApiError, ResourceType
from sympozium_core.embedded.entries import Cache
from sympozium_core.embedded.mutations import Mutations

logger = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
AT_ONCE = 200


class Expiry:
    def __init__(self, cache: Cache, mutations: Mutations, kinds: list[ResourceType], clock: Clock, seconds: float) -> None:
        self._cache = cache
        self._mutations = mutations
        self._kinds = kinds
        self._clock = clock
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="event-expiry")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Drops what is older than its time; says how many."""
        oldest = self._clock.now() - self._seconds
        dropped = 0
        for kind in self._kinds:
            old = [entry for entry in self._cache.entries(kind.resource) if entry.written < oldest]
            for start in range(0, len(old), AT_ONCE):
                batch = old[start : start + AT_ONCE]
                await asyncio.gather(*(self._mutations.remove(kind, entry) for entry in batch))
                dropped += len(batch)
        return dropped

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.sweep()
            except ApiError as error:
                logger.warning("old Events stay for now: %s", error)
