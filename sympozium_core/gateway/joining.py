"""Joins what is there at the same time: a model that streams faster than the bus carries is passed on in fewer, larger messages.

A chunk that comes alone goes at once; nothing waits for company.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")

AHEAD = 64
"""Items that may be taken from the source before the caller wants them."""


async def joined(source: AsyncGenerator[T, None]) -> AsyncGenerator[list[T], None]:
    """Lists of what `source` yields, in order and never empty; raises what it raises, after what came before. Closes it."""
    items: asyncio.Queue[T | _End] = asyncio.Queue(AHEAD)
    reader = asyncio.create_task(_read(source, items))
    try:
        while True:
            batch: list[T] = []
            item = await items.get()
            while not isinstance(item, _End):
                batch.append(item)
                if items.empty():
                    break
                item = items.get_nowait()
            if batch:
                yield batch
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
    finally:
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader


class _End:
    def __init__(self, error: Exception | None) -> None:
        self.error = error


async def _read(source: AsyncGenerator[T, None], items: asyncio.Queue[T | _End]) -> None:
    error: Exception | None = None
    try:
        async with contextlib.aclosing(source):
            async for item in source:
                await items.put(item)
    except Exception as raised:
        error = raised
    await items.put(_End(error))
