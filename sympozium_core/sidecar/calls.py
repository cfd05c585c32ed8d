"""One call of a tool while it runs: its time, its cancel, what it says meanwhile, its artifacts, and its one result."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sympozium_core.errors import Permanent
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import ARTIFACTS, PROGRESS
from sympozium_core.ipc.protocol import ToolProgress

EACH = 0.5
"""Seconds from the start of a call, and from each word of it, to the next: nobody watches a call that is shorter."""
MAX_SAID = 4_000
"""Characters of what a call says at once: the last ones."""


@dataclass(frozen=True)
class Outcome:
    """What a tool gives back, where a text is not enough."""

    content: str
    status: str = "ok"
    """``ok``, ``error``, ``timeout`` or ``unknown``."""
    exit_code: int | None = None
    truncated: bool = False
    artifacts: tuple[str, ...] = ()


class Call:
    """Given to a tool that has a parameter of this type. `deadline` is on the monotonic clock."""

    def __init__(
        self, id: str, tool: str, deadline: float, root: Root, directory: str, trace: str = "", argv: tuple[str, ...] = ()
    ) -> None:
        self.id = id
        self.tool = tool
        self.trace = trace
        self.argv = argv
        """The words of a command that the policy has judged by them; whoever runs it runs exactly these, without a shell. Mostly empty."""
        self.deadline = deadline
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable once the call is cancelled, for `select.poll`."""
        self._root = root
        self._directory = directory
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self.answered = False
        """Whether the call has its result, or watches its own deadline."""
        self.expire: Callable[[], None] = lambda: None
        """Writes the result of a call that did not keep its deadline."""
        self._saying = ""
        self._said = 0
        self._said_at = time.monotonic()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, not below zero."""
        return max(0.0, self.deadline - time.monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the result any more: a long tool looks at this now and then."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        with self._lock:
            if self.descriptor >= 0:
                self._cancelled.set()
                os.eventfd_write(self.descriptor, 1)

    def say(self, text: str) -> None:
        """Tells people who watch how the call gets on; the model never sees it. Said at most each `EACH` seconds: what comes sooner goes with the
        next, and what is too much is cut at the front. Costs nothing in between, so a tool may say whatever it likes."""
        self._saying = (self._saying + text)[-MAX_SAID:]
        self.speak()

    @property
    def unsaid(self) -> float | None:
        """Seconds until `speak` has something to do; None where nothing waits."""
        return max(0.0, self._said_at + EACH - time.monotonic()) if self._saying else None

    def speak(self) -> None:
        """Says what waits, if its time has come."""
        if self.unsaid != 0.0:
            return
        text, self._saying, self._said_at = self._saying, "", time.monotonic()
        self._said += 1
        with contextlib.suppress(OSError, Permanent):  # a full disk costs people the sight of it, and the call nothing
            path = f"{self._directory}/{PROGRESS}/{self.id}.{self._said}.json"
            self._root.write_json(path, ToolProgress(self.id, text).to_json())

    def save(self, name: str, data: bytes) -> str:
        """Keeps `data` as an artifact; returns its name, ``<call id>-<name>``, for `Outcome.artifacts`."""
        whole = self.artifact(name)
        self._root.write_bytes(f"{self._directory}/{ARTIFACTS}/{whole}", data)
        return whole

    def artifact(self, name: str) -> str:
        return f"{self.id}-{name}"

    def open_artifact(self, name: str) -> int:
        """Descriptor for an artifact that is written piece by piece; `close_artifact` makes it visible."""
        return self._root.create_file(f"{self._directory}/{ARTIFACTS}/.{self.artifact(name)}")

    def close_artifact(self, name: str, descriptor: int) -> str:
        os.close(descriptor)
        whole = self.artifact(name)
        self._root.rename(f"{self._directory}/{ARTIFACTS}/.{whole}", f"{self._directory}/{ARTIFACTS}/{whole}")
        return whole

    def finish(self, write: Callable[[], None]) -> None:
        """Runs `write` if the call has no result yet: a tool that comes after its deadline finds that it has been answered."""
        with self._lock:
            if not self.answered:
                self.answered = True
                write()

    def close(self) -> None:
        with self._lock:
            os.close(self.descriptor)
            self.descriptor = -1
