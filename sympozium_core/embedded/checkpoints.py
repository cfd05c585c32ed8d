"""Keeps a write-ahead log short: checkpoints run on a thread of their own, beside the commits, until they fall too far behind."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw

from sympozium_core.contracts.cluster import ApiError
from sympozium_core.embedded import database

logger = logging.getLogger(__name__)

CHECKPOINT_PAGES = 2_000
"""Length of the WAL, in pages, at which a checkpoint begins beside the commits."""
STALLED_PAGES = 32_000
"""Length at which commits wait for a checkpoint: passive ones did not get through."""


class Checkpoints:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages = 0
        self._running = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-checkpoint")

    def watch(self, connection: apsw.Connection) -> None:
        """Notes how long the WAL is after each commit of this connection."""
        connection.set_wal_hook(self._wal_grew)

    def tend(self, connection: apsw.Connection) -> None:
        """Between two transactions of the connection, on its thread."""
        if self._pages >= STALLED_PAGES:
            _checkpoint(connection, restart=True)
            self._pages = 0
        elif self._pages >= CHECKPOINT_PAGES and not self._running.is_set():
            self._running.set()
            self._thread.submit(self._beside)

    def close(self) -> None:
        """Waits for the one that is running."""
        self._thread.shutdown()

    def _beside(self) -> None:
        try:
            connection = database.connect(self._path)
            try:
                _checkpoint(connection, restart=False)
            finally:
                connection.close()
        except ApiError as error:
            logger.warning("no checkpoint: %s", error)
        finally:
            self._running.clear()

    def _wal_grew(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return 0


def _checkpoint(connection: apsw.Connection, *, restart: bool) -> None:
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART if restart else apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.Error as error:
        logger.warning("no checkpoint: %s: %s", type(error).__name__, error)
