"""Group commit: one thread writes one file, and a transaction carries whatever has come in while the one before was under way.

A lone write is committed at once; under load one flush to the disk serves many. The object store and the bus each have a writer; what they
write, and what they do about a disk that refuses, is in their `Transactions`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import apsw

from sympozium_core.errors import SympoziumError

logger = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")


class Transactions(ABC, Generic[Job, Result]):
    """One file, as the writer's thread uses it: nobody else may call these once the writer has started, but `closed`."""

    name: ClassVar[str]
    """Of the thread, and in the log."""
    batch: ClassVar[int]
    """The most jobs in one transaction."""

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def perform(self, job: Job) -> Result:
        """Inside a transaction. A SympoziumError refuses this job, which has then written nothing; any other error ends the transaction."""

    @abstractmethod
    def commit(self) -> None:
        """The transaction is on the disk when this returns."""

    @abstractmethod
    def rollback(self) -> None:
        """Also when `begin` failed or `commit` did. Never raises."""

    @abstractmethod
    def failure(self, error: Exception) -> SympoziumError:
        """What those who wait are told when a transaction ended by this error."""

    @abstractmethod
    def closed(self) -> SympoziumError:
        """What those are told who come after the end."""

    def tend(self) -> None:
        """Called after each batch, when its outcomes are on their way. Never raises."""

    @abstractmethod
    def close(self) -> None: ...


class _Pending(Generic[Job, Result]):
    """A job with its outcome so far."""

    __slots__ = ("done", "error", "job", "result")

    def __init__(self, job: Job, done: asyncio.Future[Result] | None) -> None:
        self.job, self.done = job, done
        self.result: Result | None = None
        self.error: SympoziumError | None = None


class Writer(Generic[Job, Result]):
    """Writes jobs in the order in which they are submitted. Belongs to the event loop that it was made in.

    `committed` is called on that loop with the jobs of each batch that are on the disk, and their results, before anybody who waits for one is answered.
    """

    def __init__(
        self,
        transactions: Transactions[Job, Result],
        committed: Callable[[Sequence[tuple[Job, Any]]], None],
        *,
        future: type[asyncio.Future[Any]] = asyncio.Future,
    ) -> None:
        """`future` is the class of what `submit` returns."""
        self._transactions = transactions
        self._committed = committed
        self._future = future
        self._closed = False
        self._queue: queue.SimpleQueue[_Pending[Job, Result] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=transactions.name, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> asyncio.Future[Result]:
        """The job's result once it is on the disk; fails with what refused the job, or with `Transactions.failure`."""
        if self._closed:
            raise self._transactions.closed()
        done: asyncio.Future[Result] = self._future(loop=self._loop)
        self._queue.put(_Pending(job, done))
        return done

    def note(self, job: Job) -> None:
        """As `submit`, for what may be lost: nobody waits."""
        if not self._closed:
            self._queue.put(_Pending(job, None))

    async def close(self) -> None:
        """Commits what is queued, then ends the thread and closes the file. May be called again."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # the last delivery is already in the loop's queue

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._commit(batch)
                self._deliver(batch)
                self._transactions.tend()
        self._transactions.close()

    def _gather(self) -> tuple[list[_Pending[Job, Result]], bool]:
        """Waits for one job and takes what else is there; False when nothing comes any more."""
        batch: list[_Pending[Job, Result]] = []
        pending = self._queue.get()
        while pending is not None:
            batch.append(pending)
            if len(batch) >= self._transactions.batch:
                return batch, True
            try:
                pending = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Pending[Job, Result]]) -> None:
        """All in one transaction; where that fails, each in its own, so that one does not take the others with it."""
        error = self._transact(batch)
        if error is None:
            return
        for pending in batch:
            failed = error if len(batch) == 1 else self._transact([pending])
            if failed is not None:
                pending.error = failed

    def _transact(self, batch: list[_Pending[Job, Result]]) -> SympoziumError | None:
        """Why nothing of the batch was written; None when it was, but for the jobs that were refused."""
        transactions = self._transactions
        try:
            transactions.begin()
            for pending in batch:
                pending.error = None
                try:
                    pending.result = transactions.perform(pending.job)
                except SympoziumError as refusal:
                    pending.error = refusal
            transactions.commit()
        except Exception as error:
            foreseen = isinstance(error, apsw.Error)  # with a traceback for anything else: it is a bug
            logger.warning("%s: nothing written: %s: %s", transactions.name, type(error).__name__, error, exc_info=not foreseen)
            transactions.rollback()
            return transactions.failure(error)
        return None

    def _deliver(self, batch: list[_Pending[Job, Result]]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, batch)
        except RuntimeError:  # the loop is closed: nobody waits any more, and what was committed stays so
            logger.debug("%s: the event loop ended before a commit was delivered", self._transactions.name)

    def _settle(self, batch: list[_Pending[Job, Result]]) -> None:
        written = [(pending.job, pending.result) for pending in batch if pending.error is None]
        if written:
            self._committed(written)
        for pending in batch:
            done, error = pending.done, pending.error
            if done is None:
                if error is not None:
                    logger.warning("%s: a write that nobody waits for failed: %s", self._transactions.name, error)
            elif done.done():
                continue
            elif error is None:
                done.set_result(pending.result)  # type: ignore[arg-type]  # it is there when there is no error
            else:
                done.set_exception(error)
