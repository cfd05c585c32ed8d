"""What the agent is doing now, for people: ``output/stream-<n>.json``. Bounded in number and size, and never a reason to fail."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import STREAM_PREFIX

MAX_EVENTS = 2_000
MAX_TEXT = 16_384
"""Characters of text in one event."""
PAUSE = 0.25
"""Seconds for which text is collected before it becomes an event."""


class Progress:
    """Numbers events from 0 on. For several threads."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._count = 0
        self._text: list[str] = []
        self._held = 0
        self._since = 0.0
        self.turn = 0

    def begin_turn(self, turn: int) -> None:
        self.turn = turn
        self._write({"type": "turn", "turn": turn})

    def text(self, piece: str) -> None:
        """A piece of the model's answer."""
        now = time.monotonic()
        if not self._text:
            self._since = now
        self._text.append(piece)
        self._held += len(piece)
        if now - self._since >= PAUSE or self._held >= MAX_TEXT // 4:
            self.flush()

    def flush(self) -> None:
        """Writes the text that is held."""
        if self._text:
            text, self._text, self._held = "".join(self._text), [], 0
            self._write({"type": "text", "turn": self.turn, "text": text[:MAX_TEXT]})

    def tool(self, call: str, tool: str, status: str, duration_ms: int | None = None) -> None:
        """`status` is ``started``, or that of the result."""
        event: dict[str, Any] = {"type": "tool", "turn": self.turn, "call": call, "tool": tool[:64], "status": status}
        if duration_ms is not None:
            event["durationMs"] = duration_ms
        self._write(event)

    def compacted(self, results: int, size: int) -> None:
        self._write({"type": "compacted", "turn": self.turn, "results": results, "bytes": size})

    def _write(self, event: dict[str, Any]) -> None:
        with self._lock:
            if self._count >= MAX_EVENTS:
                return
            number, self._count = self._count, self._count + 1
        with contextlib.suppress(OSError, FileRefused):  # a full disk stops the run where it matters, not here
            self._root.write_json(f"{STREAM_PREFIX}{number}.json", event)
