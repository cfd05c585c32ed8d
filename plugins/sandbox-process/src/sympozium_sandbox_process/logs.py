"""What a container writes to standard output and error: kept in one file of bounded size, read at a bounded rate."""

from __future__ import annotations

import contextlib
import os
import time

FILE_BYTES = 1024 * 1024
"""Size of one log file; with its predecessor (``<name>.log.1``) the whole is at most twice that."""
TAIL_BYTES = 2048
CHUNK = 65536
FREE_BYTES = 4 * 1024 * 1024
BYTES_PER_SECOND = 1024 * 1024
"""Beyond `FREE_BYTES` a container is read no faster, and waits for its own pipe: a flood must not cost the others their launcher."""


class Log:
    """One container's log file and the end of its standard error. Writing never raises: a full disk loses lines, not pods."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._size = 0
        self._file = -1
        self._credit = float(FREE_BYTES)
        self._credited = time.monotonic()
        self.tail = b""

    def write(self, data: bytes, *, error: bool) -> None:
        self._credit -= len(data)
        if error:
            self.tail = (self.tail + data)[-TAIL_BYTES:]
        with contextlib.suppress(OSError):
            if self._file < 0 or self._size >= FILE_BYTES:
                self._rotate()
            self._size += os.write(self._file, data)

    def wait(self) -> float:
        """Seconds until more should be read; 0 for at once."""
        now = time.monotonic()
        self._credit = min(FREE_BYTES, self._credit + (now - self._credited) * BYTES_PER_SECOND)
        self._credited = now
        return max(0.0, -self._credit / BYTES_PER_SECOND)

    def _rotate(self) -> None:
        self.close()
        if self._size:
            os.replace(self._path, self._path + ".1")
        self._size = 0
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
