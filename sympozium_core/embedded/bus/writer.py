"""One thread that writes: whatever has gathered while the last commit was under way goes into the next, so that a lone append waits for nobody."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import apsw

from sympozium_core.contracts.bus import BusUnavailable, LimitReached, Message
from sympozium_core.embedded.bus.store import MessageStore, Stored
from sympozium_core.errors import SympoziumError

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_Job = Callable[[MessageStore], Any]
_Outcome = tuple[asyncio.Future[Any] | None, Any, Exception | None]

MAX_BATCH = 256


class Writer:
    """Runs jobs on the store in order, many to a transaction, and answers when the transaction is on disk.

    `on_stored` is called on the event loop with the new messages of each commit, before those who wait for them are answered.
    """

    def __init__(self, store: MessageStore, on_stored: Callable[[list[Message]], None]) -> None:
        self._store, self._on_stored = store, on_stored
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[_Job, asyncio.Future[Any] | None] | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sympozium-bus-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[MessageStore], _Result]) -> asyncio.Future[_Result]:
        """The job's result once it is durable; raises what the job raised, LimitReached on a full disk, BusUnavailable otherwise."""
        if self._closed:
            raise BusUnavailable("the bus is closed")
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    def note(self, job: _Job) -> None:
        """As `submit`, for what may be lost in a crash: nobody waits."""
        if not self._closed:
            self._jobs.put((job, None))

    async def close(self) -> None:
        """Finishes what was submitted, then closes the store."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        more = True
        while more:
            job = self._jobs.get()
            batch = []
            while job is not None:
                batch.append(job)
                if len(batch) >= MAX_BATCH:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            else:
                more = False
            if batch:
                outcomes = self._write(batch)
                with suppress(RuntimeError):  # the loop is closed, nobody waits any more
                    self._loop.call_soon_threadsafe(self._answer, outcomes)
        self._store.close()

    def _write(self, batch: list[tuple[_Job, asyncio.Future[Any] | None]]) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        try:
            self._store.begin()
            for job, future in batch:
                try:
                    outcomes.append((future, job(self._store), None))
                except SympoziumError as error:
                    outcomes.append((future, None, error))
            self._store.commit()
        except Exception as error:
            failure = _translate(error)
            with suppress(apsw.Error):
                self._store.rollback()
            return [(future, None, failure) for _, future in batch]
        return outcomes

    def _answer(self, outcomes: list[_Outcome]) -> None:
        stored = [result.message for _, result, _ in outcomes if isinstance(result, Stored) and result.message is not None]
        if stored:
            self._on_stored(stored)
        for future, result, error in outcomes:
            if future is None:
                if error is not None:
                    _log.warning("the bus could not keep a consumer's state: %s", error)
            elif not future.done():
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)


def _translate(error: Exception) -> SympoziumError:
    if isinstance(error, apsw.FullError):
        return LimitReached("the disk of the bus is full; nothing was stored", hint="free space or delete old runs")
    _log.error("the bus could not write", exc_info=error)
    return BusUnavailable(f"the bus could not write: {type(error).__name__}")
