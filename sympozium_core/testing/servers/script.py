"""What a strict server answers: text, tool calls and misbehaviour, independent of any wire format; and scripts of whole conversations.

A script is stateless: which turn answers is counted from the request itself, so many runs may use one server at once and a request that is
sent again gets the same answer again.

    conversations:
    - when: list the files         # regular expression, searched in the first user message; left out: any
      turns:
      - text: Let me look.
        tools:
        - {name: list_directory, arguments: {path: /workspace}}
      - text: There are two files.
        delay: 0.02                # seconds between pieces
      - fault: {kind: status, status: 503, times: 2}
        text: Better now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

FaultKind = Literal[
    "status", "silence", "stall", "cut", "no_finish", "garbage", "html", "long_line", "redirect", "error", "not_http"
]
FAULTS: tuple[FaultKind, ...] = (
    "status",
    "silence",
    "stall",
    "cut",
    "no_finish",
    "garbage",
    "html",
    "long_line",
    "redirect",
    "error",
    "not_http",
)


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: str = "{}"
    """JSON text, as the model wrote it."""
    id: str = ""


@dataclass(frozen=True)
class Fault:
    """How an answer goes wrong.

    ``status``: an error answer with `status`, in the vendor's words. ``silence``: never a byte. ``stall``: silence after some pieces.
    ``cut``: the connection ends after some pieces. ``no_finish``: the stream ends cleanly, too early. ``garbage``: bytes that are nothing.
    ``html``: a web page with status 200. ``long_line``: three megabytes without a line end. ``redirect``: a 307 to `location`. ``error``:
    the vendor's error object in the stream. ``not_http``: not even HTTP.
    """

    kind: FaultKind
    after: int = 2
    """Pieces of the answer that come before."""
    status: int = 500
    retry_after: float | None = None
    location: str = ""
    times: int = 0
    """How often, before the answer comes as it should; 0: always."""


@dataclass(frozen=True)
class Answer:
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    """OpenAI's word; empty: ``tool_calls`` if there are any, else ``stop``."""
    prompt_tokens: int = 11
    completion_tokens: int = 7
    reasoning: str = ""
    delay: float = 0.0
    """Seconds before each piece."""
    until: Callable[[], bool] | None = None
    """The last piece is held back until this holds. Asked in the server's thread, some times a second."""
    whole: bool = False
    """In one piece, although streaming was asked for."""
    dribble: bool = False
    """Byte by byte, so that every character is torn."""
    fault: Fault | None = None

    @property
    def reason(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def words(self) -> list[str]:
        """The text in pieces that join to it."""
        return re.findall(r"\S+\s*|\s+", self.text)


@dataclass(frozen=True)
class Conversation:
    turns: tuple[Answer, ...]
    when: str = ""


@dataclass(frozen=True)
class Script:
    conversations: tuple[Conversation, ...] = field(default=())

    def answer(self, messages: Sequence[Mapping[str, Any]]) -> Answer | None:
        """The turn for a conversation so far (roles and contents are the same in all wires); None when the script has none."""
        question = next((_text(m.get("content")) for m in messages if m.get("role") == "user"), "")
        turn = sum(1 for m in messages if m.get("role") == "assistant")
        for conversation in self.conversations:
            if re.search(conversation.when, question, re.IGNORECASE):
                return conversation.turns[turn] if turn < len(conversation.turns) else None
        return None


def load(path: Path) -> Script:
    """Reads a script file, YAML or JSON. Raises ValueError that names the place."""
    return from_data(yaml.safe_load(path.read_text(encoding="utf-8")))


def from_data(data: Any) -> Script:
    """A script from its JSON form; a bare list of turns is one conversation. Raises ValueError."""
    if isinstance(data, list):
        data = {"conversations": [{"turns": data}]}
    conversations = _field(data, "conversations", list, "script")
    return Script(tuple(_conversation(item, f"conversations[{number}]") for number, item in enumerate(conversations)))


def _conversation(data: Any, where: str) -> Conversation:
    turns = _field(data, "turns", list, where)
    return Conversation(
        turns=tuple(_turn(turn, f"{where}.turns[{number}]") for number, turn in enumerate(turns)),
        when=str(data.get("when", "")),
    )


def _turn(data: Any, where: str) -> Answer:
    known = {"text", "tools", "finishReason", "reasoning", "delay", "whole", "fault", "promptTokens", "completionTokens"}
    if not isinstance(data, dict) or set(data) - known:
        raise ValueError(f"{where}: expected a turn with fields of {', '.join(sorted(known))}")
    calls = [_call(call, f"{where}.tools[{number}]") for number, call in enumerate(data.get("tools", []))]
    fault = data.get("fault")
    if fault is not None and (not isinstance(fault, dict) or fault.get("kind") not in FAULTS):
        raise ValueError(f"{where}.fault.kind: expected one of {', '.join(FAULTS)}")
    return Answer(
        text=str(data.get("text", "")),
        tool_calls=tuple(calls),
        finish_reason=str(data.get("finishReason", "")),
        reasoning=str(data.get("reasoning", "")),
        delay=float(data.get("delay", 0.0)),
        whole=bool(data.get("whole", False)),
        prompt_tokens=int(data.get("promptTokens", 11)),
        completion_tokens=int(data.get("completionTokens", 7)),
        fault=Fault(**fault) if fault is not None else None,
    )


def _call(data: Any, where: str) -> ToolCall:
    name = _field(data, "name", str, where)
    arguments = data.get("arguments", {})
    return ToolCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments), str(data.get("id", "")))


def _field(data: Any, name: str, kind: type, where: str) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get(name), kind):
        raise ValueError(f"{where}.{name}: expected a {kind.__name__}")
    return data[name]


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
