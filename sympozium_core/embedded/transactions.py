"""What the store's writer thread does to the database: objects and log in one transaction, the log and the WAL kept short."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import apsw

from sympozium_core.contracts.cluster import ApiError, Unavailable
from sympozium_core.embedded import database
from sympozium_core.embedded.checkpoints import Checkpoints
from sympozium_core.embedded.entries import Revision
from sympozium_core.embedded.writer import Transactions

logger = logging.getLogger(__name__)

PRUNE_ROWS = 500

Revisions = Sequence[Revision]
"""A job: they stand or fall together."""


class StoreTransactions(Transactions[Revisions, None]):
    name = "store-writer"
    batch = 64

    def __init__(self, path: Path, connection: apsw.Connection, window: int) -> None:
        """`window` is how many revisions the log keeps."""
        self.connection = connection
        self._path = path
        self._window = window
        self._length = database.log_length(connection)
        self._added = 0
        self._checkpoints = Checkpoints(path)
        self._checkpoints.watch(connection)

    def begin(self) -> None:
        self._added = 0
        self.connection.execute("BEGIN IMMEDIATE")

    def perform(self, job: Revisions) -> None:
        for revision in job:
            database.write(self.connection, revision)
        self._added += len(job)

    def commit(self) -> None:
        self.connection.execute("COMMIT")
        self._length += self._added

    def rollback(self) -> None:
        """Where even that fails, goes on with a new connection."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except apsw.Error:
            try:
                self.connection.close(True)
                self.connection = database.connect(self._path)
                self._checkpoints.watch(self.connection)
            except (apsw.Error, ApiError) as error:
                logger.error("the store could not reopen its file: %s", error)

    def failure(self, error: Exception) -> Unavailable:
        full = isinstance(error, apsw.FullError | apsw.IOError)
        hint = (
            "free space on the disk of the data directory, then try again" if full else "try again; the server's log has more"
        )
        return Unavailable(f"the store could not write ({type(error).__name__}); nothing was changed", hint=hint)

    def closed(self) -> Unavailable:
        return Unavailable("the store is closed")

    def tend(self) -> None:
        """Keeps the log and the WAL short, a little at a time."""
        surplus = self._length - self._window
        if surplus >= PRUNE_ROWS:
            self._prune(min(surplus, PRUNE_ROWS))
        self._checkpoints.tend(self.connection)

    def close(self) -> None:
        self._checkpoints.close()
        self.connection.close()

    def _prune(self, rows: int) -> None:
        try:
            self.begin()
            database.prune(self.connection, rows)
            self._added = -rows
            self.commit()
        except apsw.Error as error:
            logger.warning("the store could not shorten its log: %s: %s", type(error).__name__, error)
            self.rollback()
