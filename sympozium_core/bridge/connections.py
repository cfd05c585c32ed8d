"""The connections of a server for hostile clients: no more at once than are good for the bridge, and an end to all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MAX_CONNECTIONS = 64


class Connections:
    """Of one server, or of several that share the bound."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def one(self, writer: asyncio.StreamWriter) -> AsyncIterator[bool]:
        """For the length of a connection, in the task that asyncio began for it; False, and broken off, where there are too many already."""
        task = asyncio.current_task()
        if task is None or len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            yield False
            return
        self._tasks.add(task)
        try:
            yield True
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """Ends every connection at once."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
