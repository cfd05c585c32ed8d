"""What the suite of memory backends works with: folders, open memories, and other processes that have them open too."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sympozium_core.contracts.memory import Full, Memory, Note, Place, Unavailable

T = TypeVar("T")

ROOM = 1 << 20
"""Bytes, where a check is not about them."""
SECONDS = 20.0
"""After which a call is taken as hanging."""
_START = "import sys; sys.path[:] = {path!r}; from sympozium_core.testing.memory_worker import main; main(sys.argv[1:])"
_FAULTS: dict[str, type[Exception]] = {"Full": Full, "Unavailable": Unavailable}


class Bench:
    """A folder for memories, and everybody who has one open. `seconds` is how long anything may take."""

    def __init__(self, memory_class: type[Memory], path: Path, seconds: float = SECONDS) -> None:
        self.memory_class, self.path, self.seconds = memory_class, path, seconds
        self._workers: list[Worker] = []
        self._open: list[Memory] = []

    @property
    def folder(self) -> Path:
        """The memory's, unless a check says otherwise. It is not made."""
        return self.path / "memory"

    def open(self, folder: Path | None = None, room: int = ROOM) -> Memory:
        memory = self.memory_class()
        self._open.append(memory)
        self.soon(lambda: memory.open(Place(folder or self.folder, room)))
        return memory

    def worker(self, folder: Path | None = None, room: int = ROOM, **environment: str) -> Worker:
        """Another process that has it open."""
        made = Worker(self.memory_class, folder or self.folder, room, self.seconds, environment)
        self._workers.append(made)
        made.answer()
        return made

    def workers(self, count: int, room: int = ROOM) -> list[Worker]:
        """They are started together, so that they open it at the same time."""
        made = [Worker(self.memory_class, self.folder, room, self.seconds, {}) for _ in range(count)]
        self._workers += made
        for each in made:
            each.answer()
        return made

    def soon(self, action: Callable[[], T]) -> T:
        """What it gives, or raises; AssertionError where it does neither in time."""
        done: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

        def act() -> None:
            try:
                done.put((True, action()))
            except BaseException as error:
                done.put((False, error))

        threading.Thread(target=act, daemon=True).start()
        try:
            well, result = done.get(timeout=self.seconds)
        except queue.Empty:
            raise AssertionError(f"a call has not ended after {self.seconds:.0f} s") from None
        if not well:
            raise result
        return result  # type: ignore[no-any-return]

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        for memory in self._open:
            with contextlib.suppress(Exception):
                memory.close()


class Worker:
    """A process that has a memory open; see `memory_worker`."""

    def __init__(
        self, memory_class: type[Memory], folder: Path, room: int, seconds: float, environment: dict[str, str]
    ) -> None:
        value = f"{memory_class.__module__}:{memory_class.__qualname__}"
        code = _START.format(path=[path for path in sys.path if path])
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, value, str(folder), str(room)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
            cwd=environment.get("PWD"),
        )
        self._seconds = seconds
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, **request: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def answer(self) -> list[Note]:
        """The next one. Raises Full or Unavailable where the backend did, AssertionError for anything else and where there is none in time."""
        try:
            line = self._lines.get(timeout=self._seconds)
        except queue.Empty:
            raise AssertionError(f"another process has not answered after {self._seconds:.0f} s") from None
        if not line:
            self._lines.put(line)
            raise AssertionError(f"another process has ended, with {self._process.wait()}")
        return _notes(line)

    def store(self, contents: Sequence[str], tags: Sequence[str] = ()) -> list[Note]:
        self.ask(store=list(contents), tags=list(tags))
        return [note for _ in contents for note in self.answer()]

    def newest(self, tags: Sequence[str] = (), limit: int = 50) -> list[Note]:
        self.ask(newest=list(tags), limit=limit)
        return self.answer()

    def search(self, query: str, limit: int = 50) -> list[Note]:
        self.ask(search=query, limit=limit)
        return self.answer()

    def kill(self, after: float = 0.0) -> list[Note]:
        """By a signal that nobody can catch, `after` some seconds of work. What it had acknowledged, and nobody had read yet."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(after)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        left: list[Note] = []
        while line := self._lines.get(timeout=self._seconds):
            if line.endswith("\n") and "fault" not in json.loads(line):
                left += _notes(line)
        self._lines.put("")
        return left

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._lines.put(line)
        self._lines.put("")


def _notes(line: str) -> list[Note]:
    answer = json.loads(line)
    if fault := answer.get("fault"):
        known = _FAULTS.get(fault)
        assert known is not None, f"another process raised {fault}: {answer['message']}"
        raise known(answer["message"])
    return [Note(**{**note, "tags": tuple(note["tags"])}) for note in answer.get("notes", ())]


def contents(notes: Iterable[Note]) -> list[str]:
    return [note.content for note in notes]
