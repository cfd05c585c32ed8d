"""Requests in a plain form that can be read, compared and found again.

A request is found by its content, never by its position alone: a run that was resumed may ask again for an answer that it had, several runs
may play one cassette, and a request out of order matches nothing because each holds the whole conversation before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympozium_provider_replay.cassette import Cassette, Entry, Mask, Message, RecordedAnswer

_FRAMING = {"model", "messages", "tools", "stream", "stream_options", "user", "safety_identifier", "prompt_cache_key"}
"""Left out of the comparison: the name of the model is the cassette's own, the others do not change what is asked."""


@dataclass(frozen=True)
class Asked:
    """A request in plain form."""

    messages: tuple[Message, ...]
    tools: Mapping[str, str]
    parameters: Mapping[str, Any]


def plain_request(body: Mapping[str, Any]) -> Asked:
    """An OpenAI chat completions body in plain form."""
    return Asked(
        messages=tuple(plain_message(message) for message in body.get("messages") or ()),
        tools={_tool_name(tool): _digest(tool)[:12] for tool in body.get("tools") or ()},
        parameters={name: body[name] for name in sorted(body) if name not in _FRAMING and body[name] is not None},
    )


def plain_message(message: Message) -> dict[str, Any]:
    """A message without what is empty, its tool calls with their arguments as objects where they are."""
    plain = {key: value for key, value in message.items() if value not in (None, "", [])}
    calls = plain.pop("tool_calls", None)
    if "tool_call_id" in plain:
        plain["toolCallId"] = plain.pop("tool_call_id")
    if calls:
        plain["toolCalls"] = [_plain_call(call) for call in calls]
    return plain


def plain_arguments(text: Any) -> Any:
    """A tool call's arguments as an object; as they are, where they are not the JSON of one or would not come back the same."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text
    return value if isinstance(value, dict) else text


def answer_message(answer: RecordedAnswer) -> dict[str, Any]:
    """The assistant's message that follows from an answer, in plain form."""
    message: dict[str, Any] = {"role": "assistant"}
    if answer.text:
        message["content"] = answer.text
    if answer.tool_calls:
        message["toolCalls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in answer.tool_calls]
    return message


class Masks:
    """Replaces what may differ, in every text of a value."""

    def __init__(self, masks: Iterable[Mask]) -> None:
        # The replacement is plain text: a backslash in it means itself.
        self._masks = [(re.compile(mask.pattern), mask.replacement.replace("\\", "\\\\")) for mask in masks]

    def __call__(self, value: Any) -> Any:
        if not self._masks:
            return value
        if isinstance(value, str):
            for pattern, replacement in self._masks:
                value = pattern.sub(replacement, value)
            return value
        if isinstance(value, Mapping):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self(item) for item in value]
        return value


class Index:
    """Finds the entry that a request repeats. Built once for each version of a cassette."""

    def __init__(self, cassette: Cassette) -> None:
        self._cassette = cassette
        self._masks = Masks(cassette.masks)
        self._chains = [self._chain(entry.messages) for entry in cassette.entries]
        self._found: dict[str, list[int]] = {}
        for number, entry in enumerate(cassette.entries):
            key = self._key(self._chains[number], entry.tools, entry.parameters)
            self._found.setdefault(key, []).append(number)

    def find(self, asked: Asked) -> list[int]:
        """Numbers of the entries with exactly this request, in order; more than one when the run asked the same thing twice."""
        return self._found.get(self._key(self._chain(asked.messages), asked.tools, asked.parameters), [])

    def nearest(self, asked: Asked) -> int | None:
        """Number of the entry that begins as the request does for longest; of several, the first of the most similar length."""
        if not self._chains:
            return None
        chain = self._chain(asked.messages)
        return max(
            range(len(self._chains)),
            key=lambda n: (_shared(self._chains[n], chain), -abs(len(self._chains[n]) - len(chain)), -n),
        )

    def masked(self, value: Any) -> Any:
        return self._masks(value)

    def _chain(self, messages: Sequence[Message]) -> list[str]:
        """The digest of the conversation after each message."""
        chain, last = [], ""
        for message in messages:
            last = _digest([last, _comparable(self._masks(message))])
            chain.append(last)
        return chain

    @staticmethod
    def _key(chain: Sequence[str], tools: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
        return _digest([chain[-1] if chain else "", tools, parameters])


def shared_messages(index: Index, first: Sequence[Message], second: Sequence[Message]) -> int:
    """How many messages two conversations have in common from their beginning."""
    pairs = zip(first, second, strict=False)
    count = 0
    for one, other in pairs:
        if _comparable(index.masked(one)) != _comparable(index.masked(other)):
            break
        count += 1
    return count


def conversation_after(entry: Entry) -> tuple[Message, ...]:
    """What the next request begins with if nothing was taken away."""
    return (*entry.messages, answer_message(entry.answer))


def _comparable(message: Any) -> Any:
    """Fields of the assistant's own messages that a client may or may not send back do not count."""
    if isinstance(message, Mapping) and message.get("role") == "assistant":
        return {key: message[key] for key in ("role", "content", "toolCalls") if key in message}
    return message


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _plain_call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return call
    return {
        "id": call.get("id", ""),
        "name": function.get("name", ""),
        "arguments": plain_arguments(function.get("arguments", "")),
    }


def _tool_name(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
