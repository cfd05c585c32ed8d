"""The answer of a live model, put together from its chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_provider_replay.cassette import RecordedAnswer, RecordedCall
from sympozium_provider_replay.conversation import plain_arguments


@dataclass
class Recorder:
    """Every chunk goes through `chunk`; then `answer` is complete."""

    text: str = ""
    finish_reason: str = ""
    usage: dict[str, Any] | None = None
    extra: dict[str, str] = field(default_factory=dict)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def chunk(self, chunk: Chunk) -> None:
        if chunk.get("usage"):
            self.usage = chunk["usage"]
        for choice in chunk.get("choices", ()):
            if choice.get("index", 0) != 0:
                raise ProviderError("refused", "a cassette records one choice an answer", hint="ask with n: 1")
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            self._delta(choice.get("delta") or {})

    def answer(self) -> RecordedAnswer:
        usage = self.usage or {}
        return RecordedAnswer(
            text=self.text,
            tool_calls=tuple(
                RecordedCall(call["id"], call["name"], plain_arguments(call["arguments"]))
                for _, call in sorted(self.calls.items())
            ),
            finish_reason=self.finish_reason or "stop",
            prompt_tokens=usage.get("prompt_tokens"),
            completion_tokens=usage.get("completion_tokens"),
            extra=self.extra,
        )

    def _delta(self, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name == "content":
                self.text += value or ""
            elif name == "tool_calls":
                for piece in value or ():
                    self._call(piece)
            elif name != "role" and isinstance(value, str) and value:
                self.extra[name] = self.extra.get(name, "") + value

    def _call(self, piece: dict[str, Any]) -> None:
        call = self.calls.setdefault(piece.get("index", 0), {"id": "", "name": "", "arguments": ""})
        function = piece.get("function") or {}
        call["id"] = call["id"] or piece.get("id") or ""
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""
