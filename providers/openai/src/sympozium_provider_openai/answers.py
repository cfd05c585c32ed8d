"""Whether what a server streams is an answer in OpenAI's protocol, and small repairs for servers that only nearly speak it.

Chunks pass unchanged as far as they are sound: https://platform.openai.com/docs/api-reference/chat-streaming.
"""

from __future__ import annotations

import json
from typing import Any

from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_provider_openai.failures import Redactor, from_error


class StreamCheck:
    """Follows one answer: every chunk goes through `chunk`, the end through `end`. Raises ProviderError."""

    def __init__(self, where: str, redact: Redactor) -> None:
        self._where = where
        self._redact = redact
        self._open: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, list[str]] = {}

    @property
    def complete(self) -> bool:
        """Every choice that began has its finish reason."""
        return bool(self._finished) and self._open <= self._finished

    def chunk(self, text: str, event: str = "") -> Chunk:
        """One event's data as a chunk."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise self._garbage("a chunk that is not JSON") from error
        if not isinstance(data, dict):
            raise self._garbage("a chunk that is not an object")
        if data.get("error") or event == "error":
            raise from_error(data.get("error") or data, self._where, self._redact)
        choices = data.get("choices")
        if choices is None:
            data["choices"] = choices = []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise self._garbage("a chunk without a list of choices")
        for position, choice in enumerate(choices):
            self._choice(choice, position)
        return data

    def end(self) -> None:
        """The stream is over; is it an answer?"""
        if not self._open:
            raise self._garbage("an answer without content")
        if not self.complete:
            raise self._garbage("an answer that stops without a finish reason")

    def _choice(self, choice: dict[str, Any], position: int) -> None:
        index = choice.setdefault("index", position)
        if not isinstance(index, int):
            raise self._garbage("a choice whose index is not a number")
        if choice.get("delta") is None:
            choice["delta"] = {}
        if not isinstance(choice["delta"], dict):
            raise self._garbage("a choice whose delta is not an object")
        self._open.add(index)
        if choice.get("finish_reason"):
            self._finished.add(index)
        for call in self._tool_calls(choice["delta"]):
            self._number(call, self._calls.setdefault(index, []))

    def _tool_calls(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise self._garbage("tool calls that are not a list of objects")
        return calls

    def _number(self, call: dict[str, Any], seen: list[str]) -> None:
        """Some servers leave out the index: a new id is then a new call, no id goes on with the last one."""
        identity = call.get("id") or ""
        if isinstance(call.get("index"), int):
            while len(seen) <= min(call["index"], 1024):
                seen.append(str(identity))
            return
        if (identity and identity not in seen) or not seen:
            seen.append(str(identity))
        call["index"] = seen.index(identity) if identity in seen else len(seen) - 1

    def _garbage(self, what: str) -> ProviderError:
        return ProviderError("garbage", f"{self._where} sent {what}", hint="is this an OpenAI-compatible server?")


def whole_as_chunk(body: bytes, where: str, redact: Redactor) -> str:
    """A ``chat.completion`` object, from a server that does not stream, as the text of one chunk. Raises ProviderError."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ProviderError("garbage", f"{where} sent an answer that is not JSON") from error
    if isinstance(data, dict) and data.get("error"):
        raise from_error(data["error"], where, redact)
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list) or not data["choices"]:
        raise ProviderError("garbage", f"{where} sent an answer without choices", hint="is this an OpenAI-compatible server?")
    choices = []
    for position, choice in enumerate(data["choices"]):
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            raise ProviderError("garbage", f"{where} sent an answer without a message")
        delta = {key: value for key, value in message.items() if value is not None}
        if isinstance(delta.get("tool_calls"), list):
            delta["tool_calls"] = [
                {"index": index, **call} if isinstance(call, dict) else call for index, call in enumerate(delta["tool_calls"])
            ]
        choices.append({"index": position, "delta": delta, "finish_reason": choice.get("finish_reason")})
    return json.dumps({**data, "object": "chat.completion.chunk", "choices": choices})
