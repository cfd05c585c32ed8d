"""Ollama's own chat API, newline-delimited JSON (https://docs.ollama.com/api/chat; `api/types.go` and `server/routes.go` in its source).

Stricter than the real one in one point: it refuses fields that Ollama would ignore, because what is ignored does not do what the sender wants.
Alone: ``python -m sympozium_core.testing.servers.ollama --port 11434 --script turns.yaml``.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from sympozium_core.testing.servers.host import Refusal, Seen, StrictServer
from sympozium_core.testing.servers.script import Answer

_GO_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number", type(None): "null"}
_FIELDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "messages": (list,),
    "stream": (bool,),
    "format": (str, dict),
    "keep_alive": (str, int, float),
    "tools": (list,),
    "options": (dict,),
    "think": (bool, str),
}
_MESSAGE: dict[str, tuple[type, ...]] = {
    "role": (str,),
    "content": (str,),
    "thinking": (str,),
    "images": (list,),
    "tool_calls": (list,),
    "tool_name": (str,),
    "tool_call_id": (str,),
}
_OPTIONS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("num_ctx", "num_keep", "num_predict", "seed", "top_k", "repeat_last_n"), (int,)),
    **dict.fromkeys(("temperature", "top_p", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty"), (int, float)),
    "stop": (list,),
}
_WORDS = {
    401: "unauthorized",
    403: "forbidden",
    429: "too many requests",
    503: "server busy, please try again.  maximum pending requests exceeded",
}


class _Bad(Exception):
    """A 400, in Go's words."""


class OllamaServer(StrictServer):
    content_type: ClassVar[str] = "application/x-ndjson"
    path: ClassVar[str] = "/api/chat"

    def check(self, seen: Seen) -> Refusal | None:
        if seen.path != self.path:
            return Refusal(404, {"error": "404 page not found"})
        if seen.method != "POST":
            return Refusal(405, {"error": "405 method not allowed"})
        try:
            _check_body(seen.body)
        except _Bad as error:
            return Refusal(400, {"error": str(error)})
        return None if seen.body["model"] == self.model else Refusal(404, {"error": f"model '{seen.body['model']}' not found"})

    def refusal(self, status: int) -> Refusal:
        if status == 404:
            return Refusal(404, {"error": f"model '{self.model}' not found"})
        return Refusal(status, {"error": _WORDS.get(status, "llama runner process has terminated: exit status 2")})

    def streams(self, seen: Seen) -> bool:
        return bool(seen.body.get("stream", True))

    def pieces(self, answer: Answer, seen: Seen) -> list[bytes]:
        lines = [{"thinking": answer.reasoning, "content": ""}] if answer.reasoning else []
        messages: list[dict[str, Any]] = [*lines, *({"content": word} for word in answer.words)]
        if answer.tool_calls:
            messages.append({"content": "", "tool_calls": _calls(answer)})
        return [
            *(_line({**self._frame(), "message": {"role": "assistant", **message}, "done": False}) for message in messages),
            _line({**self._frame(), "message": {"role": "assistant", "content": ""}, **_end(answer)}),
        ]

    def whole(self, answer: Answer, seen: Seen) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text}
        if answer.tool_calls:
            message["tool_calls"] = _calls(answer)
        if answer.reasoning:
            message["thinking"] = answer.reasoning
        return {**self._frame(), "message": message, **_end(answer)}

    def stream_error(self) -> bytes:
        return _line({"error": "an error was encountered while running the model: unexpected EOF"})

    def _frame(self) -> dict[str, Any]:
        return {"model": self.model, "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}


def _line(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode() + b"\n"


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [{"function": {"name": call.name, "arguments": json.loads(call.arguments)}} for call in answer.tool_calls]


def _end(answer: Answer) -> dict[str, Any]:
    return {
        # With tool calls, too, Ollama says "stop".
        "done_reason": "stop" if answer.reason == "tool_calls" else answer.reason,
        "done": True,
        "total_duration": 174560334,
        "load_duration": 101397084,
        "prompt_eval_count": answer.prompt_tokens,
        "prompt_eval_duration": 13074791,
        "eval_count": answer.completion_tokens,
        "eval_duration": 52479709,
    }


def _check_body(body: Any) -> None:
    if not isinstance(body, dict):
        raise _Bad("invalid character looking for beginning of value")
    _fields(body, _FIELDS, "ChatRequest")
    if not body.get("model"):
        raise _Bad("model is required")
    for name, value in (body.get("options") or {}).items():
        if name not in _OPTIONS:
            raise _Bad(f'invalid option provided: "{name}"')
        if type(value) not in _OPTIONS[name]:
            raise _Bad(f'option "{name}" must be of type {_GO_NAMES[_OPTIONS[name][0]]}')
    for tool in body.get("tools") or ():
        _fields(tool, {"type": (str,), "function": (dict,)}, "ChatRequest.tools")
        kinds: dict[str, tuple[type, ...]] = {"name": (str,), "description": (str,), "parameters": (dict,)}
        _fields(tool["function"], kinds, "ChatRequest.tools.function")
    called: list[str] = []
    for message in body.get("messages") or ():
        _check_message(message, called)


def _check_message(message: Any, called: list[str]) -> None:
    _fields(message, _MESSAGE, "ChatRequest.messages")
    role = message.get("role")
    if role not in ("system", "user", "assistant", "tool"):
        raise _Bad(f'invalid role: {role}, role must be one of ["system", "user", "assistant", "tool"]')
    for image in message.get("images") or ():
        try:
            base64.b64decode(image, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise _Bad("illegal base64 data at input byte 4") from None
    for call in message.get("tool_calls") or ():
        _fields(call, {"id": (str,), "function": (dict,)}, "ChatRequest.messages.tool_calls")
        kinds: dict[str, tuple[type, ...]] = {"index": (int,), "name": (str,), "arguments": (dict,)}
        _fields(call.get("function"), kinds, "ChatRequest.messages.tool_calls.function")
        called.append(call["function"]["name"])
    if role == "tool" and message.get("tool_name") not in called:
        raise _Bad(f"tool result of {message.get('tool_name')!r}, which was not called")


def _fields(data: Any, kinds: Mapping[str, tuple[type, ...]], where: str) -> None:
    if not isinstance(data, dict):
        raise _Bad(f"json: cannot unmarshal {_GO_NAMES[type(data)]} into Go value of type api.{where}")
    for name, value in data.items():
        if name not in kinds:
            raise _Bad(f"unknown field {where}.{name}")
        if type(value) not in kinds[name]:
            raise _Bad(f"json: cannot unmarshal {_GO_NAMES[type(value)]} into Go struct field {where}.{name}")


if __name__ == "__main__":
    from sympozium_core.testing.servers.command import run

    run(OllamaServer)
