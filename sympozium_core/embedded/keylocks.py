"""One write at a time on one object, from reading the old state to the commit of the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sympozium_core.embedded.entries import Key


class KeyLocks:
    """Locks by key; a key that nobody holds or wants takes no memory."""

    def __init__(self) -> None:
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: Key) -> AsyncIterator[None]:
        lock, wanted = self._locks.get(key, (None, 0))
        lock = lock or asyncio.Lock()
        self._locks[key] = (lock, wanted + 1)
        try:
            async with lock:
                yield
        finally:
            _, wanted = self._locks.pop(key)
            if wanted > 1:
                self._locks[key] = (lock, wanted - 1)


class Commit(asyncio.Future[None]):
    """The future of a write that is under way. It cannot be cancelled: who waits for it and is cancelled leaves when it is settled.

    Otherwise the lock would open early, and the next writer would read a state that is about to be replaced.
    """

    def cancel(self, msg: object = None) -> bool:
        """Refused; the task keeps the cancellation in mind and gets it when this future is done."""
        return False
