"""Ollama's lines as chunks of OpenAI's protocol."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from sympozium_provider_openai.failures import Redactor, from_error

from sympozium_core.contracts.provider import Chunk, ProviderError

_FINISH = {"length": "length", "stop": "stop"}


class LineReader:
    """Follows one answer: every line goes through `chunks`, the end through `end`. Raises ProviderError."""

    def __init__(self, model: str, where: str, redact: Redactor) -> None:
        identity = f"chatcmpl-{uuid.uuid4().hex}"
        self._frame = {"id": identity, "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
        self._where = where
        self._redact = redact
        self._calls = 0
        self._first = True
        self.done = False

    def chunks(self, line: bytes) -> Iterator[Chunk]:
        """One line of the answer."""
        if not line.strip():
            return
        try:
            data = json.loads(line.decode("utf-8"))
        except ValueError as error:
            raise self._garbage("a line that is not JSON") from error
        if not isinstance(data, dict):
            raise self._garbage("a line that is not an object")
        if data.get("error"):
            raise from_error(data["error"], self._where, self._redact)
        message = data.get("message")
        if not isinstance(message, dict):
            raise self._garbage("a line without a message")
        delta = self._delta(message)
        if delta:
            yield self._chunk(delta)
        if data.get("done"):
            yield from self._end(data)

    def end(self) -> None:
        if not self.done:
            raise self._garbage("an answer that stops before it is done")

    def _delta(self, message: dict[str, Any]) -> dict[str, Any]:
        delta: dict[str, Any] = {"role": "assistant"} if self._first else {}
        self._first = False
        content, thinking, calls = (message.get(name) for name in ("content", "thinking", "tool_calls"))
        if not isinstance(content, str | None) or not isinstance(thinking, str | None) or not isinstance(calls, list | None):
            raise self._garbage("a message of a wrong shape")
        if content:
            delta["content"] = content
        if thinking:
            delta["reasoning_content"] = thinking
        if calls:
            delta["tool_calls"] = [self._call(call) for call in calls]
        return delta

    def _call(self, call: Any) -> dict[str, Any]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise self._garbage("a tool call without a name")
        arguments = function.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise self._garbage("a tool call whose arguments are not an object")
        self._calls += 1
        text = json.dumps(arguments, ensure_ascii=False)
        identity = call.get("id") if isinstance(call.get("id"), str) and call.get("id") else f"call_{uuid.uuid4().hex[:24]}"
        return {
            "index": self._calls - 1,
            "id": identity,
            "type": "function",
            "function": {"name": function["name"], "arguments": text},
        }

    def _end(self, data: dict[str, Any]) -> Iterator[Chunk]:
        self.done = True
        reason = "tool_calls" if self._calls else _FINISH.get(data.get("done_reason") or "stop")
        if reason is None:
            raise self._garbage(f"an answer that ended with {self._redact(str(data['done_reason']))!r}")
        yield {**self._frame, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
        # A count is left out when it is 0, as for a prompt that was cached whole.
        prompt, answer = data.get("prompt_eval_count") or 0, data.get("eval_count") or 0
        if not isinstance(prompt, int) or not isinstance(answer, int):
            raise self._garbage("counts that are not numbers")
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        yield {**self._frame, "choices": [], "usage": usage}

    def _chunk(self, delta: dict[str, Any]) -> Chunk:
        return {**self._frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}

    def _garbage(self, what: str) -> ProviderError:
        return ProviderError("garbage", f"{self._where} sent {what}", hint="is this Ollama?")
