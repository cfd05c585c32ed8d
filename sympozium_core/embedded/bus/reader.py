"""Stored messages in pages, read in a thread of its own beside the writer (WAL: neither waits for the other)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import apsw

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import BusUnavailable, Message
from sympozium_core.embedded.bus.store import open_database, where

_Result = TypeVar("_Result")
PAGE_MESSAGES = 256
PAGE_BYTES = 4 * 1024 * 1024


class Reader:
    def __init__(self, path: Path) -> None:
        self._connection = open_database(path, readonly=True)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sympozium-bus-reader")
        self._closed = False

    async def page(self, uid: str, who: str, after: int, upto: int) -> list[Message]:
        """The oldest messages of the filter with after < sequence <= upto; an empty list when there are none. Never half of what fits."""
        return await self._run(lambda: self._page(uid, who, after, upto))

    async def pages(self, uid: str, who: str, after: int, upto: int) -> AsyncGenerator[Message, None]:
        """All of them, oldest first."""
        while page := await self.page(uid, who, after, upto):
            for message in page:
                yield message
            after = page[-1].sequence

    async def last(self, uid: str, who: str) -> Message | None:
        condition, values = where(uid, who)
        sql = f"{_COLUMNS} WHERE sequence = (SELECT max(sequence) FROM message {condition})"
        return await self._run(lambda: next((_message(row) for row in self._connection.execute(sql, values)), None))

    async def get(self, sequence: int) -> Message | None:
        sql = f"{_COLUMNS} WHERE sequence = ?"
        return await self._run(lambda: next((_message(row) for row in self._connection.execute(sql, (sequence,))), None))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._thread.shutdown)
            self._connection.close()

    def _page(self, uid: str, who: str, after: int, upto: int) -> list[Message]:
        condition, values = where(uid, who)
        wanted = f"SELECT sequence FROM message {condition} {'AND' if condition else 'WHERE'} sequence > ? AND sequence <= ?"
        sql = f"{_COLUMNS} WHERE sequence IN ({wanted} ORDER BY sequence LIMIT ?) ORDER BY sequence"
        page: list[Message] = []
        size = 0
        for row in self._connection.execute(sql, (*values, after, upto, PAGE_MESSAGES)):
            page.append(_message(row))
            size += len(page[-1].data)
            if size >= PAGE_BYTES:
                break
        return page

    async def _run(self, read: Callable[[], _Result]) -> _Result:
        if self._closed:
            raise BusUnavailable("the bus is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, read)
        except apsw.Error as error:
            raise BusUnavailable(f"the bus could not read: {error}") from error


_COLUMNS = "SELECT sequence, uid, who, time, headers, data FROM message"


def _message(row: tuple[int, str, str, float, str, bytes]) -> Message:
    sequence, uid, who, at, headers, data = row
    return Message(subjects.journal(uid, who), data, json.loads(headers) if headers else {}, sequence=sequence, time=at)
