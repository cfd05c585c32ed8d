"""One answer of the model, put together from streamed pieces, with everything that real endpoints get wrong put right.

Tool calls come in pieces or whole, with or without index, id or arguments. The result is always usable: ids are unique in the run and safe as
file names (made from turn and place where the endpoint's own are not), arguments are an object or an explanation for the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.ipc.fields import IDENTIFIER
from sympozium_core.ipc.protocol import MAX_RESPONSE

MAX_CALLS = 128
"""Tool calls of one answer that are looked at."""
MAX_ANSWER = MAX_RESPONSE
"""Characters of text, reasoning and arguments in one answer."""


class AnswerTooLarge(Exception):
    """The model does not stop talking."""


@dataclass(frozen=True)
class Call:
    """One tool call. `problem` says, for the model, why it cannot be run; `arguments` is empty then."""

    id: str
    tool: str
    arguments: Mapping[str, Any]
    problem: str = ""


@dataclass(frozen=True)
class Answer:
    text: str
    calls: tuple[Call, ...]
    message: Mapping[str, Any] = field(default_factory=dict)
    """The assistant message for the conversation."""


class _Piece:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Assembler:
    """Takes the chunks of one answer (``chat.completion.chunk``, or one whole ``chat.completion``)."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[_Piece] = []
        self._by_index: dict[int, _Piece] = {}
        self._size = 0
        self.finished = False
        """Whether a finish reason came: without it, an answer whose connection broke may be half of one."""

    def take(self, chunk: Mapping[str, Any]) -> str:
        """Adds one chunk; returns the text that it brought. Raises AnswerTooLarge."""
        brought = ""
        for choice in _list(chunk.get("choices"))[:1]:
            if not isinstance(choice, dict):
                continue
            delta = choice.get("delta")
            delta = delta if isinstance(delta, dict) else choice.get("message")
            if isinstance(delta, dict):
                brought = self._delta(delta)
            if choice.get("finish_reason"):
                self.finished = True
        if self._size > MAX_ANSWER:
            raise AnswerTooLarge(f"the model's answer has more than {MAX_ANSWER} characters")
        return brought

    def _delta(self, delta: Mapping[str, Any]) -> str:
        text = _text_of(delta.get("content"))
        if text:
            self._text.append(text)
        reasoning = next((delta[key] for key in ("reasoning_content", "reasoning") if isinstance(delta.get(key), str)), "")
        if reasoning:
            self._reasoning.append(reasoning)
        self._size += len(text) + len(reasoning)
        for item in _list(delta.get("tool_calls")):
            if isinstance(item, dict):
                self._call(item)
        return text

    def _call(self, item: Mapping[str, Any]) -> None:
        function = item.get("function")
        function = function if isinstance(function, dict) else {}
        given, name, index = item.get("id"), function.get("name"), item.get("index")
        piece = self._piece(index if isinstance(index, int) else None, given, name)
        if isinstance(given, str) and given:
            piece.id = piece.id or given
        if isinstance(name, str):
            # Some endpoints repeat the whole name in every piece, some send it in parts.
            piece.name = piece.name if piece.name == name else piece.name + name
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
        if isinstance(arguments, str):
            piece.arguments.append(arguments)
            self._size += len(arguments)
        self._size += len(piece.name)

    def _piece(self, index: int | None, given: Any, name: Any) -> _Piece:
        """The call that a piece belongs to. Without an index: a piece with a new id or a name begins a call, another goes on with the last."""
        if index is not None:
            piece = self._by_index.get(index)
            # An endpoint that numbers every whole call 0 is told apart by the new id.
            if piece is not None and not (isinstance(given, str) and given and piece.id and given != piece.id):
                return piece
        elif self._calls and (given == self._calls[-1].id if given else not name):
            return self._calls[-1]
        piece = _Piece()
        self._calls.append(piece)
        if len(self._calls) > MAX_CALLS:
            raise AnswerTooLarge(f"the model asks for more than {MAX_CALLS} tool calls at once")
        if index is not None:
            self._by_index[index] = piece
        return piece

    @property
    def empty(self) -> bool:
        return not (self._calls or "".join(self._text).strip() or "".join(self._reasoning).strip())

    def answer(self, turn: int, used: set[str]) -> Answer:
        """The whole. `used` are the ids of all earlier calls of the run; those of this answer are added."""
        raw = [{"id": c.id, "function": {"name": c.name, "arguments": "".join(c.arguments)}} for c in self._calls]
        text = "".join(self._text)
        if not raw and not text.strip():
            text = "".join(self._reasoning)
        return build(_sound(text), raw, turn, used)


def build(text: str, raw: Sequence[Any], turn: int, used: set[str]) -> Answer:
    """An answer from its text and its tool calls as they stand in an assistant message; also used for one that is resumed."""
    calls, kept = [], []
    for place, item in enumerate(raw[:MAX_CALLS]):
        item = item if isinstance(item, dict) else {}
        function = item.get("function")
        function = function if isinstance(function, dict) else {}
        call = _sound_call(_id(item.get("id"), turn, place, used), function.get("name"), function.get("arguments"))
        calls.append(call)
        arguments = _kept_arguments(function.get("arguments"), call)
        kept.append({"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": arguments}})
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not kept else None}
    if kept:
        message["tool_calls"] = kept
    return Answer(text, tuple(calls), message)


def _kept_arguments(given: Any, call: Call) -> str:
    """The model's own words where they are sound, so that the conversation stays what the model said; an object in any case."""
    if isinstance(given, str) and given.strip() and not call.problem and "\\ud" not in given.lower() and given == _sound(given):
        return given
    return json.dumps(call.arguments, ensure_ascii=False, separators=(",", ":"))


def _id(given: Any, turn: int, place: int, used: set[str]) -> str:
    call = given if isinstance(given, str) and IDENTIFIER.match(given) else f"call_{turn}_{place}"
    base, count = f"call_{turn}_{place}", 0
    while call in used:
        call = base if count == 0 else f"{base}_{count}"
        count += 1
    used.add(call)
    return call


def _sound_call(call: str, name: Any, arguments: Any) -> Call:
    tool = _sound(name) if isinstance(name, str) and name else "unnamed"
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return Call(call, tool, {})
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        sound = json.loads(_sound(json.dumps(value, ensure_ascii=False, allow_nan=False)))
    except (ValueError, RecursionError) as error:
        what = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        return Call(call, tool, {}, f"the arguments are not JSON: {what}. Send one JSON object")
    if not isinstance(sound, dict):
        return Call(call, tool, {}, "the arguments must be one JSON object, with the tool's parameters as its fields")
    return Call(call, tool, sound)


def _sound(text: str) -> str:
    """Without halves of surrogate pairs, which no file or request can hold."""
    return text.encode("utf-8", "replace").decode()


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in _list(content) if isinstance(part, dict) and isinstance(part.get("text"), str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
