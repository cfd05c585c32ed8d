"""The data directory and the one process that holds it.

The lock is flock(2) on ``lock`` in the directory: the kernel drops it with the process, however that ends. The file's content (who
holds it, and on which socket it listens) is a note for others and never proof.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from sympozium_core.errors import Temporary

LOCK_FILE = "lock"
SOCKET_FILE = "api.sock"
STORE_FILE = "store.db"
ACQUIRE_SECONDS = 0.5
"""How long `acquire` tries: long enough that a probe by `holder`, or a holder on its way out, does not fail it."""


class DataDirBusy(Temporary):
    """Another process holds the data directory."""

    def __init__(self, path: Path, holder: Holder) -> None:
        by = f"process {holder.pid}" if holder.pid else "another process"
        hint = f"it serves {holder.socket}; stop it first or speak to it" if holder.socket else "stop it first"
        super().__init__(f"the data directory {path} is in use by {by}", hint=hint)
        self.holder = holder


class DataDirUnusable(Temporary):
    """The directory cannot be made, or belongs to somebody else."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, by its own note. `pid` is 0 while the note is being written."""

    pid: int
    socket: str


class DataDir:
    """A data directory: its paths, and its lock while this process holds it. Use as a context manager or by `acquire`, `release`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._file: int | None = None

    @property
    def socket(self) -> Path:
        """Where the holder's REST face listens."""
        return self.path / SOCKET_FILE

    @property
    def store(self) -> Path:
        return self.path / STORE_FILE

    @property
    def held(self) -> bool:
        return self._file is not None

    def create(self) -> None:
        """Makes the directory, and closes it to everybody else. Raises DataDirUnusable."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if found.st_uid != os.geteuid():
                raise DataDirUnusable(f"the data directory {self.path} belongs to another user", hint="name one of your own")
            if stat.S_IMODE(found.st_mode) != 0o700:
                self.path.chmod(0o700)
        except OSError as error:
            hint = "name another with SYMPOZIUM_DATA_DIR"
            raise DataDirUnusable(f"the data directory {self.path} cannot be used: {error.strerror}", hint=hint) from error

    def acquire(self, timeout: float = ACQUIRE_SECONDS) -> DataDir:
        """Takes the lock, trying for `timeout` seconds. Raises DataDirBusy, DataDirUnusable."""
        if self._file is not None:
            raise DataDirBusy(self.path, Holder(os.getpid(), str(self.socket)))
        self.create()
        file = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + timeout
        while not _try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                os.close(file)
                raise DataDirBusy(self.path, self._note())
            time.sleep(0.02)
        note = json.dumps({"pid": os.getpid(), "socket": str(self.socket)}).encode()
        os.pwrite(file, note, 0)
        os.ftruncate(file, len(note))
        self._file = file
        forget_socket(self.socket)
        return self

    def release(self) -> None:
        """Gives the lock back; the file stays, since removing it would let two processes hold two files of one name."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def holder(self) -> Holder | None:
        """Who holds the lock now; None when nobody does."""
        if self._file is not None:
            return Holder(os.getpid(), str(self.socket))
        with _opened(self.path / LOCK_FILE) as file:
            if file is None or _try_lock(file, fcntl.LOCK_SH):
                return None
        return self._note()

    def _note(self) -> Holder:
        try:
            note = json.loads((self.path / LOCK_FILE).read_bytes())
            return Holder(int(note["pid"]), str(note["socket"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Holder(0, "")

    def __enter__(self) -> DataDir:
        return self if self.held else self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def forget_socket(path: Path) -> None:
    """One that a killed holder has left: who finds it there takes it for ours. Only the holder of the lock comes here."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_socket():
            path.unlink()


def _try_lock(file: int, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield file
    finally:
        os.close(file)
