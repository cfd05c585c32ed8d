"""Which files have appeared in a set of directories: by inotify, or by looking again and again where there is none (gVisor).

What was there before the watch is reported first. A file is reported when its writer is done: when it is renamed into place, or closed. The
same name may be reported more than once, and must be: after the kernel's queue overflows all directories are listed again. So whoever uses
this keeps what it has dealt with. Nothing is ever missed, however many files come at once.

`Watch.wait` blocks, for the runner and the tool servers; `async_watch` has the form for an event loop.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from sympozium_core.ipc import inotify
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import is_hidden

ENV_POLLING = "SYMPOZIUM_IPC_POLLING"
"""Set to 1 to force polling, for runtimes whose inotify is there and silent."""
INTERVAL = 0.02
"""Seconds between two looks at a directory when polling."""
RETRY = 0.25
"""Seconds between two tries to watch again a directory that was removed or replaced."""
SILENCE = 1.0
"""Seconds between two looks at the directories for as long as inotify has told nothing: in a sandbox it may be there and silent about what
other containers do. A file that only a look finds ends its use."""


@dataclass(frozen=True, slots=True)
class Found:
    """A name in one of the watched directories; a file, or whatever else somebody put there."""

    directory: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.directory}/{self.name}" if self.directory else self.name


class Watch:
    """Watches directories of one root; they are made where they are missing. `polling` None means: as the environment says, else inotify."""

    def __init__(
        self, root: Root, directories: Iterable[str], *, polling: bool | None = None, interval: float = INTERVAL
    ) -> None:
        self._root = root
        self._interval = interval
        self._directories = list(dict.fromkeys(directories))
        self._inotify: inotify.Inotify | None = None
        self._given_up: inotify.Inotify | None = None
        """Open until the end: an event loop may have its descriptor."""
        self._heard = False
        """Whether inotify has told of a file: from then on it is believed when it says nothing."""
        self._next_look = time.monotonic() + SILENCE
        self._watched: dict[int, str] = {}
        self._lost: dict[str, float] = {}
        self._seen: dict[str, dict[str, tuple[int, int, int]]] = {}
        if not (os.environ.get(ENV_POLLING) == "1" if polling is None else polling):
            with contextlib.suppress(OSError):  # then polling it is: slower, never wrong
                self._inotify = inotify.Inotify()
        self._backlog = set(self._directories)
        for directory in self._directories:
            self._begin(directory)

    @property
    def polling(self) -> bool:
        return self._inotify is None

    def fileno(self) -> int:
        """A descriptor that is readable when there may be something to `read`; -1 when polling."""
        return self._inotify.descriptor if self._inotify else -1

    @property
    def due(self) -> float | None:
        """Seconds after which to `read` even if the descriptor says nothing; None: no need."""
        if self._backlog:
            return 0.0
        if self._inotify is None:
            return self._interval
        times = [*self._lost.values(), *(() if self._heard else (self._next_look,))]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def add(self, directory: str) -> None:
        """Watches one more directory; what is in it already is reported too."""
        if directory not in self._directories:
            self._directories.append(directory)
            self._backlog.add(directory)
            self._begin(directory)

    def wait(self, timeout: float | None = None, wake: int = -1) -> list[Found]:
        """What appeared, as soon as anything has; empty after `timeout` seconds, or when the descriptor `wake` is readable."""
        end = None if timeout is None else time.monotonic() + timeout
        poller = select.poll()
        for descriptor in (self.fileno(), wake):
            if descriptor >= 0:
                poller.register(descriptor, select.POLLIN)
        while True:
            if found := self.read():
                return found
            pauses = [pause for pause in (self.due, None if end is None else end - time.monotonic()) if pause is not None]
            ready = poller.poll(max(0.0, min(pauses)) * 1000 if pauses else None)
            if any(descriptor == wake for descriptor, _ in ready):
                return self.read()
            if end is not None and time.monotonic() >= end:
                return self.read()

    def read(self) -> list[Found]:
        """What has appeared, without waiting; each name once per call."""
        found: dict[Found, None] = {}
        self._watch_again()
        if self._inotify is None:
            self._backlog.clear()
            for directory in self._directories:
                found.update(dict.fromkeys(self._look(directory)))
            return list(found)
        self._hear(self._inotify, found)
        for directory in [item for item in self._directories if item in self._backlog]:
            self._backlog.discard(directory)
            if not self._heard:
                self._look(directory)  # what the next look is compared with
            found.update(dict.fromkeys(Found(directory, name) for name in self._names(directory)))
        if not self._heard and time.monotonic() >= self._next_look:
            self._look_beside(self._inotify, found)
        return list(found)

    def close(self) -> None:
        for opened in (self._inotify, self._given_up):
            if opened:
                opened.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _hear(self, told: inotify.Inotify, found: dict[Found, None]) -> None:
        before = len(found)
        for number, mask, name in told.read():
            self._take(number, mask, name, found)
        if len(found) > before:
            self._heard = True
            self._seen.clear()

    def _look_beside(self, told: inotify.Inotify, found: dict[Found, None]) -> None:
        """Whether there is something of which inotify should have told."""
        self._next_look = time.monotonic() + SILENCE
        missed = [each for directory in self._directories for each in self._look(directory) if each not in found]
        self._hear(told, found)  # or it has come just now
        found.update(dict.fromkeys(missed))
        if missed and not self._heard:
            self._give_up_inotify()

    def _take(self, number: int, mask: int, name: str, found: dict[Found, None]) -> None:
        if mask & inotify.OVERFLOW:
            self._backlog.update(self._directories)
            return
        directory = self._watched.get(number)
        if directory is None:
            return
        if mask & inotify.GONE:
            # Removed or moved away: whatever has its name now is another directory, to be opened and listed anew.
            del self._watched[number]
            if self._inotify and mask & inotify.MOVE_SELF:
                self._inotify.remove(number)
            self._lost[directory] = time.monotonic()
            return
        # A file that was only created is not reported before its writer has closed it; a directory is complete at once.
        if mask & inotify.CREATE and not mask & inotify.IS_DIRECTORY:
            return
        if not is_hidden(name):
            found[Found(directory, name)] = None

    def _begin(self, directory: str) -> None:
        """Starts to watch; what cannot be (a link in its place) is tried again, and never followed."""
        try:
            descriptor = self._root.open_directory(directory, make=True)
        except (OSError, FileRefused):
            self._lost[directory] = time.monotonic() + RETRY
            return
        try:
            if self._inotify:
                self._watched[self._inotify.add(descriptor)] = directory
            self._lost.pop(directory, None)
        except OSError:
            self._give_up_inotify()
        finally:
            os.close(descriptor)

    def _watch_again(self) -> None:
        now = time.monotonic()
        for directory in [item for item, when in self._lost.items() if when <= now]:
            self._begin(directory)
            self._backlog.add(directory)

    def _give_up_inotify(self) -> None:
        """No watch is to be had (limits, no /proc), or it tells nothing: all directories are polled from here on."""
        self._given_up, self._inotify = self._inotify, None
        self._watched.clear()
        self._lost.clear()

    def _names(self, directory: str) -> list[str]:
        try:
            return self._root.names(directory)
        except (OSError, FileRefused):
            return []

    def _look(self, directory: str) -> list[Found]:
        """Names that are new or whose file has changed since the last look."""
        before, now, found = self._seen.get(directory, {}), {}, []
        try:
            descriptor = self._root.open_directory(directory)
        except (OSError, FileRefused):
            return []
        try:
            for name in self._names(directory):
                try:
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except OSError:
                    continue
                # What happens within a directory is no news of it, and inotify does not tell of it here either.
                inside = stat.S_ISDIR(status.st_mode)
                now[name] = (status.st_ino, *((0, 0) if inside else (status.st_size, status.st_mtime_ns)))
                if before.get(name) != now[name]:
                    found.append(Found(directory, name))
        finally:
            os.close(descriptor)
        self._seen[directory] = now
        return found
