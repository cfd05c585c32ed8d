"""The newest stored messages, kept in memory, so that those who follow the stream are told at once and without a read from disk."""

from __future__ import annotations

import asyncio
from collections import deque

from sympozium_core.bus.subjects import matches
from sympozium_core.contracts.bus import BusUnavailable, Message

MAX_MESSAGES = 2048
MAX_BYTES = 16 * 1024 * 1024


class Tail:
    def __init__(self, high: int) -> None:
        self.high = high
        """Sequence of the newest stored message."""
        self._floor = high
        self._recent: deque[Message] = deque()
        self._bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()
        self._closed = False

    def add(self, messages: list[Message]) -> None:
        """New messages in the order of their sequence."""
        for message in messages:
            self._recent.append(message)
            self._bytes += len(message.data)
        self.high = messages[-1].sequence
        while len(self._recent) > MAX_MESSAGES or self._bytes > MAX_BYTES:
            oldest = self._recent.popleft()
            self._bytes -= len(oldest.data)
            self._floor = oldest.sequence
        self._wake()

    def since(self, after: int) -> list[Message] | None:
        """All stored messages above the sequence, oldest first; None when that reaches further back than the memory does."""
        if after < self._floor:
            return None
        newer: list[Message] = []
        for message in reversed(self._recent):
            if message.sequence <= after:
                break
            newer.append(message)
        newer.reverse()
        return newer

    def forget(self, pattern: str) -> None:
        """Messages that were purged."""
        kept = [message for message in self._recent if not matches(pattern, message.subject)]
        self._bytes = sum(len(message.data) for message in kept)
        self._recent = deque(kept)

    async def wait(self, after: int) -> None:
        """Until something above the sequence is stored. Raises BusUnavailable when the bus is closed."""
        while self.high <= after or self._closed:
            if self._closed:
                raise BusUnavailable("the bus is closed")
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def close(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
