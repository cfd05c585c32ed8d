"""What the agent is doing now, for people: ``output/stream-<n>.json``. Bounded in number and size, and never a reason to fail or to wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any

from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.layout import STREAM_PREFIX

MAX_EVENTS = 2_000
MAX_TEXT = 16_384
"""Characters of text in one event."""
PAUSE = 0.25
"""Seconds for which text is collected before it becomes an event."""
TOGETHER = 0.05
"""Seconds for which events are collected before they are written: each file wakes the bridge, on the processors that the turn needs."""


class Progress:
    """Numbers events from 0 on, and writes them on a thread of its own. For several threads."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._lock = threading.Lock()
        """Held while files are written, so that they come in their order."""
        self._events: deque[dict[str, Any]] = deque()
        self._come = threading.Event()
        self._said = self._written = 0
        self._closed = False
        self._text: list[str] = []
        self._held = 0
        self._since = 0.0
        self.turn = 0
        threading.Thread(target=self._work, name="progress", daemon=True).start()

    def close(self) -> None:
        """What has been said is written when this returns; what is said later is not."""
        self._closed = True
        self._come.set()
        self._write()

    def begin_turn(self, turn: int) -> None:
        self.turn = turn
        self._say({"type": "turn", "turn": turn})

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
            self._say({"type": "text", "turn": self.turn, "text": text[:MAX_TEXT]})

    def tool(self, call: str, tool: str, status: str, duration_ms: int | None = None) -> None:
        """`status` is ``started``, or that of the result."""
        event: dict[str, Any] = {"type": "tool", "turn": self.turn, "call": call, "tool": tool[:64], "status": status}
        if duration_ms is not None:
            event["durationMs"] = duration_ms
        self._say(event)

    def compacted(self, results: int, size: int) -> None:
        self._say({"type": "compacted", "turn": self.turn, "results": results, "bytes": size})

    def _say(self, event: dict[str, Any]) -> None:
        if self._said < MAX_EVENTS and not self._closed:
            self._said += 1
            self._events.append(event)
            self._come.set()

    def _work(self) -> None:
        while not self._closed:
            self._come.wait()
            time.sleep(TOGETHER)
            self._come.clear()
            self._write()

    def _write(self) -> None:
        with self._lock:
            together: list[dict[str, Any]] = []
            while self._events:
                together.append(self._events.popleft())
            for event in _newest(together):
                with contextlib.suppress(OSError, FileRefused):  # a full disk stops the run where it matters, not here
                    self._root.write_json(f"{STREAM_PREFIX}{self._written}.json", event)
                self._written += 1


def _newest(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that a later one makes old news: a call that has begun and ended, a turn of which there is more to say."""
    kept: list[dict[str, Any]] = []
    told: set[tuple[Any, ...]] = set()
    for event in reversed(events):
        if event["type"] == "turn" and ("turn", event["turn"]) in told:
            continue
        if event["type"] == "tool" and event["status"] == "started" and ("call", event["call"]) in told:
            continue
        told.update((("turn", event["turn"]), ("call", event.get("call"))))
        kept.append(event)
    return kept[::-1]
