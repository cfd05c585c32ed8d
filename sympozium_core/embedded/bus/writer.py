"""The bus's writer: a job is a function of the store, and what it newly stored is told before those who wait are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sympozium_core.contracts.bus import Message
from sympozium_core.embedded.bus.store import Job, MessageStore, Stored
from sympozium_core.embedded.writer import Writer

_Result = TypeVar("_Result")


class BusWriter(Writer[Job, Any]):
    def __init__(self, store: MessageStore, on_stored: Callable[[list[Message]], None]) -> None:
        """`on_stored` is called on the event loop with the new messages of each commit."""
        super().__init__(store, self._tell)
        self._on_stored = on_stored

    def submit(self, job: Callable[[MessageStore], _Result]) -> asyncio.Future[_Result]:
        """The job's result once it is durable; fails with what the job raised, LimitReached on a full disk, BusUnavailable otherwise."""
        return super().submit(job)

    def _tell(self, written: Sequence[tuple[Job, Any]]) -> None:
        stored = [result.message for _, result in written if isinstance(result, Stored) and result.message is not None]
        if stored:
            self._on_stored(stored)
