"""The bounded queue behind every subscription: what a slow listener cannot hold is dropped, as on NATS, and never grows the process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from sympozium_core.contracts.bus import Message, Subscription

_log = logging.getLogger(__name__)

MAX_MESSAGES = 65_536
MAX_BYTES = 64 * 1024 * 1024


class Mailbox(Subscription):
    """A subscription whose messages somebody else puts in. Lives on one event loop.

    `end` with an error lets the listener take what has come and then raises the error; `close` forgets what has come.
    """

    def __init__(
        self,
        subject: str,
        *,
        on_close: Callable[[], Awaitable[None]] | None = None,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.subject = subject
        self.dropped = 0
        """Messages that found no room."""
        self._items: deque[Message] = deque()
        self._bytes = 0
        self._max_messages, self._max_bytes = max_messages, max_bytes
        self._on_close = on_close
        self._changed = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def put(self, message: Message) -> bool:
        """False when the message was dropped: the mailbox is full or closed."""
        if self._ended:
            return False
        if len(self._items) >= self._max_messages or self._bytes + len(message.data) > self._max_bytes:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:
                _log.warning("slow listener on %s: %d messages dropped", self.subject, self.dropped)
            return False
        self._items.append(message)
        self._bytes += len(message.data)
        self._changed.set()
        return True

    def end(self, error: Exception | None = None) -> None:
        """No more messages will come; `error` is raised after the last one that is here."""
        if not self._ended:
            self._ended, self._error = True, error
            self._changed.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        message = self._items.popleft()
        self._bytes -= len(message.data)
        return message

    async def close(self) -> None:
        self._items.clear()
        self._bytes = 0
        self._error = None
        self._ended = True
        self._changed.set()
        if self._on_close is not None:
            on_close, self._on_close = self._on_close, None
            await on_close()
