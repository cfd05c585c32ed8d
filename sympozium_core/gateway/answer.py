"""Puts a streamed answer together, and takes a finished one apart again for a replay.

Format: https://platform.openai.com/docs/api-reference/chat-streaming. One answer has one choice; text and tool calls arrive in pieces, tool calls
by `index`, and `usage` stands on the last chunk or on one without choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_core.gateway.body import canonical

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of text and arguments that one answer may have."""
MAX_TOOL_CALLS = 128


@dataclass(frozen=True)
class Usage:
    prompt: int
    completion: int
    estimated: bool = False
    """The provider said nothing; a quarter of the bytes stands in for the tokens."""

    def entry(self) -> dict[str, Any]:
        """As the journal has it."""
        told = {
            "promptTokens": self.prompt,
            "completionTokens": self.completion,
            "totalTokens": self.prompt + self.completion,
        }
        return {**told, "estimated": True} if self.estimated else told


def openai_usage(usage: Mapping[str, Any]) -> dict[str, int]:
    """The journal's usage as OpenAI writes it."""
    return {
        "prompt_tokens": usage["promptTokens"],
        "completion_tokens": usage["completionTokens"],
        "total_tokens": usage["totalTokens"],
    }


@dataclass
class _ToolCall:
    id: str = ""
    name: str = ""
    arguments: str = ""


class Answer:
    """Collects chunks. Every method raises ProviderError("garbage") for what is not a chat completion."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._extra: dict[str, list[str]] = {}
        self._calls: dict[int, _ToolCall] = {}
        self._usage: Mapping[str, Any] | None = None
        self._bytes = 0
        self.finish_reason = ""

    def add(self, chunk: Chunk) -> None:
        if not isinstance(chunk, Mapping):
            raise _garbage("a chunk is not an object")
        if isinstance(chunk.get("usage"), Mapping):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise _garbage("a chunk has no list of choices")
        for choice in choices:
            if not isinstance(choice, Mapping) or choice.get("index", 0) != 0:
                raise _garbage("a chunk has a choice that was not asked for")
            delta = choice.get("delta") or {}
            if not isinstance(delta, Mapping):
                raise _garbage("a choice's delta is not an object")
            self._add_delta(delta)
            self.finish_reason = str(choice.get("finish_reason") or self.finish_reason)

    def _add_delta(self, delta: Mapping[str, Any]) -> None:
        for name in ("content", "refusal", "reasoning_content"):
            piece = delta.get(name)
            if piece is None:
                continue
            if not isinstance(piece, str):
                raise _garbage(f"the delta's {name} is not text")
            self._count(piece)
            (self._text if name == "content" else self._extra.setdefault(name, [])).append(piece)
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list):
            raise _garbage("the delta's tool_calls are not a list")
        for call in calls:
            self._add_call(call)

    def _add_call(self, call: Any) -> None:
        function = call.get("function") or {} if isinstance(call, Mapping) else None
        index = call.get("index", len(self._calls)) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(index, int) or not 0 <= index < MAX_TOOL_CALLS:
            raise _garbage("a tool call's piece is not an object with an index")
        kept = self._calls.setdefault(index, _ToolCall())
        arguments = function.get("arguments")
        if isinstance(arguments, Mapping):
            arguments = canonical(arguments)  # what some servers send in place of the text of it
        for value in (call.get("id"), function.get("name"), arguments):
            if value is not None and not isinstance(value, str):
                raise _garbage("a tool call's id, name and arguments must be text")
            self._count(value or "")
        kept.id = kept.id or call.get("id") or ""
        kept.name = kept.name or function.get("name") or ""
        kept.arguments += arguments or ""

    def _count(self, text: str) -> None:
        self._bytes += len(text.encode(errors="replace"))
        if self._bytes > MAX_ANSWER:
            raise _garbage(f"the answer is longer than {MAX_ANSWER} bytes")

    def message(self) -> dict[str, Any]:
        """The assistant's message; raises when the answer stopped in the middle."""
        if not self.finish_reason:
            raise _garbage("the answer ended without a finish_reason")
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text) or None}
        if not self._calls:
            message["content"] = "".join(self._text)
        message.update({name: "".join(pieces) for name, pieces in self._extra.items()})
        if self._calls:
            message["tool_calls"] = [_finished(self._calls[index]) for index in sorted(self._calls)]
        return message

    def usage(self, prompt_bytes: Callable[[], int]) -> Usage:
        """What the provider counted, or an estimate, for which the prompt's size is asked."""
        counts = [self._usage.get(name) for name in ("prompt_tokens", "completion_tokens")] if self._usage else []
        if len(counts) == 2 and all(isinstance(count, int) and count >= 0 for count in counts):
            return Usage(int(counts[0] or 0), int(counts[1] or 0))
        return Usage(math.ceil(prompt_bytes() / 4), math.ceil(self._bytes / 4), estimated=True)


def is_final(chunk: Chunk) -> bool:
    """The chunk ends the choice: it and what follows wait until the answer is on record."""
    return any(choice.get("finish_reason") for choice in chunk["choices"])


def completion(
    call: str, model: str, message: Mapping[str, Any], finish_reason: str, usage: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer as a `chat.completion`, for a caller that does not stream."""
    choice = {"index": 0, "message": dict(message), "finish_reason": finish_reason, "logprobs": None}
    return {**_head(call, model, "chat.completion"), "choices": [choice], "usage": openai_usage(usage)}


def chunks(call: str, model: str, message: Mapping[str, Any], finish_reason: str) -> Iterator[Chunk]:
    """A finished answer as chunks: all of it, then the end."""
    delta: dict[str, Any] = {key: value for key, value in message.items() if key != "tool_calls"}
    if message.get("tool_calls"):
        delta["tool_calls"] = [{"index": index, **tool} for index, tool in enumerate(message["tool_calls"])]
    head = _head(call, model, "chat.completion.chunk")
    yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}


def _head(call: str, model: str, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{call[:24]}", "object": kind, "created": 0, "model": model}


def _finished(call: _ToolCall) -> dict[str, Any]:
    """An id or a name that the vendor left out stays empty: whoever runs the call gives it one."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _garbage(what: str) -> ProviderError:
    return ProviderError("garbage", f"the model's answer breaks the protocol: {what}", hint="check the model and its base URL")
