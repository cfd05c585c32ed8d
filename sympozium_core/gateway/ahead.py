"""An answer that is asked for before it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")

TURNS = 2
"""On a connection that is open already, aiohttp prepares a request in the first and writes its body in the second."""


class Ahead(Generic[T]):
    """`source` with its first item on the way; what it raises is raised when the item is asked for. Close it, and what is on the way ends."""

    def __init__(self, source: AsyncGenerator[T, None]) -> None:
        self._source = source
        self._first: asyncio.Future[T] | None = asyncio.ensure_future(anext(source))

    async def under_way(self) -> None:
        """Returns when the source has had its turns of the event loop to ask: what the caller does now would keep the question back."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    def __aiter__(self) -> Ahead[T]:
        return self

    async def __anext__(self) -> T:
        if self._first is None:
            return await anext(self._source)
        first, self._first = self._first, None
        return await first

    async def aclose(self) -> None:
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)
        await self._source.aclose()
