"""The one thread that writes: it commits whatever has come in while the commit before was under way.

A lone write is committed at once; under load a commit carries up to `BATCH` writes, so that one flush to the disk serves them all.
Checkpoints run on a thread of their own, beside the commits.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from sympozium_core.contracts.cluster import ApiError, Unavailable
from sympozium_core.embedded import database
from sympozium_core.embedded.entries import Revision
from sympozium_core.embedded.keylocks import Commit

logger = logging.getLogger(__name__)

BATCH = 64
CHECKPOINT_PAGES = 2_000
"""Length of the WAL, in pages, at which a checkpoint begins beside the commits."""
STALLED_PAGES = 32_000
"""Length at which commits wait for a checkpoint: passive ones did not get through."""
PRUNE_ROWS = 500


class Job:
    """Revisions that stand or fall together."""

    def __init__(self, revisions: Sequence[Revision], done: asyncio.Future[None] | None, prune: int = 0) -> None:
        self.revisions = revisions
        self.done = done
        self.prune = prune
        self.error: ApiError | None = None


class Writer:
    """`committed` is called on the event loop with each job that is safely on the disk, in the order of their numbers."""

    def __init__(
        self, path: Path, connection: apsw.Connection, committed: Callable[[Sequence[Revision]], None], window: int
    ) -> None:
        self._path = path
        self._connection = connection
        self._committed = committed
        self._window = window
        self._length = database.log_length(connection)
        self._pages = 0
        self._closed = False
        self._checkpointing = threading.Event()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._checkpointer = ThreadPoolExecutor(1, thread_name_prefix="store-checkpoint")
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        connection.set_wal_hook(self._wal_grew)
        self._thread.start()

    def submit(self, revisions: Sequence[Revision]) -> asyncio.Future[None]:
        """Done when the revisions are committed and `committed` has been called; fails with Unavailable when they are not."""
        if self._closed:
            raise Unavailable("the store is closed")
        done = Commit(loop=self._loop)
        self._queue.put(Job(revisions, done))
        return done

    async def close(self) -> None:
        """Commits what is queued, then ends both threads."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._checkpointer.shutdown)
        await asyncio.sleep(0)  # the last delivery is already in the loop's queue

    def _run(self) -> None:
        closing = False
        while not closing:
            batch: list[Job] = []
            job = self._queue.get()
            while job is not None:
                batch.append(job)
                if len(batch) >= BATCH:
                    break
                try:
                    job = self._queue.get_nowait()
                except queue.Empty:
                    break
            closing = job is None
            if batch:
                self._commit(batch)
                self._deliver(batch)
                self._tend()
        self._connection.close()

    def _commit(self, batch: list[Job]) -> None:
        """All in one transaction; where that fails, each in its own, so that one does not take the others with it."""
        error = self._transact(batch)
        if error is None:
            return
        for job in batch:
            job.error = error if len(batch) == 1 else self._transact([job])

    def _transact(self, batch: list[Job]) -> ApiError | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                for revision in job.revisions:
                    database.write(self._connection, revision)
                if job.prune:
                    database.prune(self._connection, job.prune)
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            logger.warning("the store could not commit: %s: %s", type(error).__name__, error)
            self._recover()
            return _unavailable(error)
        self._length += sum(len(job.revisions) - job.prune for job in batch)
        return None

    def _recover(self) -> None:
        """Ends the failed transaction; where even that fails, goes on with a new connection."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error:
            try:
                self._connection.close(True)
                self._connection = database.connect(self._path)
                self._connection.set_wal_hook(self._wal_grew)
            except (apsw.Error, ApiError) as error:
                logger.error("the store could not reopen its file: %s", error)

    def _deliver(self, batch: list[Job]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, batch)
        except RuntimeError:  # the loop is closed: nobody waits any more, and what was committed stays so
            logger.debug("the event loop ended before a commit was delivered")

    def _settle(self, batch: list[Job]) -> None:
        for job in batch:
            if job.error is None and job.revisions:
                self._committed(job.revisions)
        for job in batch:
            if job.done is None or job.done.done():
                continue
            if job.error is None:
                job.done.set_result(None)
            else:
                job.done.set_exception(job.error)

    def _tend(self) -> None:
        """Keeps the log and the WAL short, a little at a time."""
        surplus = self._length - self._window
        if surplus >= PRUNE_ROWS:
            self._transact([Job((), None, prune=min(surplus, PRUNE_ROWS))])
        if self._pages >= STALLED_PAGES:
            self._checkpoint(self._connection, restart=True)
            self._pages = 0
        elif self._pages >= CHECKPOINT_PAGES and not self._checkpointing.is_set():
            self._checkpointing.set()
            self._checkpointer.submit(self._checkpoint_beside)

    def _checkpoint_beside(self) -> None:
        try:
            connection = database.connect(self._path)
            try:
                self._checkpoint(connection, restart=False)
            finally:
                connection.close()
        except ApiError as error:
            logger.warning("no checkpoint: %s", error)
        finally:
            self._checkpointing.clear()

    def _checkpoint(self, connection: apsw.Connection, *, restart: bool) -> None:
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            logger.warning("no checkpoint: %s: %s", type(error).__name__, error)

    def _wal_grew(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return 0


def _unavailable(error: Exception) -> Unavailable:
    full = isinstance(error, apsw.FullError | apsw.IOError)
    hint = "free space on the disk of the data directory, then try again" if full else "try again; the server's log has more"
    return Unavailable(f"the store could not write ({type(error).__name__}); nothing was changed", hint=hint)
