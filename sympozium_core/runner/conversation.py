"""The messages of a run, each kept as the JSON text that is sent, and their compaction when they grow too long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KEEP_NEWEST = 3
"""Tool results that compaction never touches, besides those of the current round."""


@dataclass(frozen=True)
class Compaction:
    results: int
    bytes: int
    """Bytes that the conversation has become shorter by."""


class Conversation:
    """Append-only but for compaction. Sizes are those of the UTF-8 text that is sent."""

    def __init__(self, messages: Iterable[Mapping[str, Any]] = ()) -> None:
        self._messages: list[Mapping[str, Any]] = []
        self.texts: list[str] = []
        self._sizes: list[int] = []
        self._shortened: set[int] = set()
        for message in messages:
            self.add(message)

    def add(self, message: Mapping[str, Any]) -> None:
        text = _text(message)
        self._messages.append(message)
        self.texts.append(text)
        self._sizes.append(len(text.encode()))

    @property
    def messages(self) -> tuple[Mapping[str, Any], ...]:
        return tuple(self._messages)

    @property
    def size(self) -> int:
        return sum(self._sizes)

    def compact(self, budget: int) -> Compaction | None:
        """Where the conversation is longer than `budget`: puts placeholders in place of the oldest tool results, down to half the budget.

        All at once, because each change of an early message costs the provider its prompt cache. Results of the current round and the
        newest three stay. None if there was nothing to do or to gain.
        """
        if self.size <= budget:
            return None
        results = [index for index, message in enumerate(self._messages) if message.get("role") == "tool"]
        round_begins = max((i for i, message in enumerate(self._messages) if message.get("role") == "assistant"), default=0)
        old = [index for index in results[: max(0, len(results) - KEEP_NEWEST)] if index < round_begins]
        replaced, before = 0, self.size
        for index in old:
            if self.size <= budget // 2:
                break
            replaced += self._shorten(index)
        return Compaction(replaced, before - self.size) if replaced else None

    def _shorten(self, index: int) -> bool:
        message = self._messages[index]
        length = len(str(message.get("content", "")).encode())
        placeholder = f"[This result of {length} bytes was removed to save space. Call the tool again if it is needed.]"
        if index in self._shortened or length <= len(placeholder):
            return False
        self._shortened.add(index)
        self._messages[index] = {**message, "content": placeholder}
        self.texts[index] = _text(self._messages[index])
        self._sizes[index] = len(self.texts[index].encode())
        return True


def _text(message: Mapping[str, Any]) -> str:
    """JSON of one message; a half of a surrogate pair, which cannot be sent, becomes a question mark."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
