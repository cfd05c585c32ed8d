"""A run's record as a gateway remembers it: conversation, finished answers, tool results; built from the journal entry by entry.

Pure: what was appended is applied here by whoever appended or read it. Entries on `.gw` are this gateway's or another's and trusted; those on
`.pod` say what the bridge saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.provider import Chunk
from sympozium_core.gateway import answer

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A finished answer."""

    message: Mapping[str, Any]
    finish_reason: str
    usage: Mapping[str, Any]
    attempt: int

    def chunks(self, call: str, model: str) -> list[Chunk]:
        return list(answer.chunks(call, model, self.message, self.finish_reason))


@dataclass
class ModelRecord:
    """What `.gw` of one run says up to `last`."""

    last: int = 0
    """Sequence of the newest entry: the next append expects it."""
    conversation: Sequence[Any] = ()
    """Messages of the newest entry's conversation: the base of the next `model.request`."""
    answers: dict[str, Recorded] = field(default_factory=dict)
    transcript: Sequence[Any] = ()
    """Messages of the newest request that has an answer, and that answer."""
    tokens: int = 0
    """Of all answers, as this gateway or another counted them."""
    fetches: int = 0
    """Of pages, whatever became of them."""
    size: int = 0
    """Roughly the bytes of all entries, for the cache's bound."""
    _open: dict[str, Sequence[Any]] = field(default_factory=dict)

    def request_entry(self, messages: Sequence[Any]) -> dict[str, Any]:
        """`base` and `messages` of a `model.request` that follows what is on record."""
        base = 0
        for known, given in zip(self.conversation, messages, strict=False):
            if known != given:
                break
            base += 1
        return {"base": base, "messages": list(messages[base:])}

    def exceeded(self, limits: Limits) -> str:
        """Which limit leaves no room for one more answer, and what was reached; empty where there is room."""
        if self.tokens >= limits.max_tokens:
            return f"the run has used {self.tokens:,} tokens, of {limits.max_tokens:,} that it may (limits.maxTokens)"
        if len(self.answers) >= limits.max_turns:
            return f"the model has answered {len(self.answers)} times, of {limits.max_turns} that it may (limits.maxTurns)"
        return ""

    def apply(self, sequence: int, entry: Entry) -> None:
        """Takes in the next entry of `.gw`, in order."""
        self.last = sequence
        self.size += len(repr(entry.get("messages") or entry.get("message")))
        kind, call = entry.get("type"), str(entry.get("call", ""))
        if kind == "model.request":
            self.conversation = [*self.conversation[: int(entry["base"])], *entry["messages"]]
            self._open[call] = self.conversation
        elif kind == "fetch.request":
            self.fetches += 1
        elif kind == "model.answer" and call not in self.answers:
            message = entry["message"]
            usage = entry["usage"]
            self.answers[call] = Recorded(message, str(entry["finishReason"]), usage, int(entry["attempt"]))
            self.tokens += int(usage.get("promptTokens") or 0) + int(usage.get("completionTokens") or 0)
            self.transcript = [*self._open.pop(call, self.conversation), message]
            self.conversation = self.transcript


@dataclass
class ToolRecord:
    """What `.pod` of one run says about tool calls."""

    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    requested: dict[str, None] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        kind, call = entry.get("type"), str(entry.get("call", ""))
        if kind == "tool.requested":
            self.requested[call] = None
        elif kind == "tool.result":
            kept = ("status", "content", "exitCode", "truncated", "artifacts")
            self.results[call] = {name: entry[name] for name in kept if name in entry}
        elif kind == "tool.denied":
            self.results[call] = {"status": "denied", "content": str(entry.get("because", ""))}

    @property
    def unknown(self) -> list[str]:
        """Calls that may have happened: asked for, without a result."""
        return [call for call in self.requested if call not in self.results]
