"""A chat completions body as a hostile agent wrote it, checked and cut down to what may reach a vendor.

Shape: https://platform.openai.com/docs/api-reference/chat/create. Only what is named here passes: a field that a vendor adds tomorrow (stored
prompts, metadata, web search, another user's file ids) must not become an agent's way around its policy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sympozium_core.errors import Permanent

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the canonical body."""
MAX_MESSAGES = 4096
MAX_TOOLS = 256

_NUMBERS = frozenset(
    ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "presence_penalty", "frequency_penalty", "top_k")
)
_OPTIONS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(_NUMBERS, (int, float)),
    "tool_choice": (str, dict),
    "parallel_tool_calls": (bool,),
    "stop": (str, list),
    "logit_bias": (dict,),
    "response_format": (dict,),
    "reasoning_effort": (str,),
    "verbosity": (str,),
}
_ROLES = ("system", "developer", "user", "assistant", "tool")
_MESSAGE_FIELDS = ("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning_content")


class BadBody(Permanent):
    """The agent's request is not a chat completions body."""

    reason = "ModelError"


def canonical(value: Any) -> str:
    """The JSON text of which there is one for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def clean_body(body: Any, model: str) -> dict[str, Any]:
    """The body that the vendor gets: known fields of the right type, the endpoint's model, no transport options.

    Unknown fields are dropped in silence (every client library sends some); a known field of a wrong shape raises BadBody with its path.
    """
    if not isinstance(body, Mapping):
        raise BadBody("the request body is not a JSON object", hint="send an OpenAI chat completions body")
    clean: dict[str, Any] = {"model": model, "messages": _messages(body.get("messages"))}
    tools = body.get("tools")
    if tools:
        clean["tools"] = _tools(tools)
    for name, types in _OPTIONS.items():
        value = body.get(name)
        if value is None or (name in ("tool_choice", "parallel_tool_calls") and "tools" not in clean):
            continue
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise BadBody(f"{name}: {type(value).__name__} is not {' or '.join(kind.__name__ for kind in types)}")
        clean[name] = value
    return clean


def call_key(body: Mapping[str, Any], ordinal: int) -> str:
    """The name of a model call in the journal: equal bodies of one attempt differ in their ordinal, a retry does not.

    Raises BadBody when the canonical body is longer than MAX_BODY or too deep to write down.
    """
    try:
        text = canonical(body).encode()
    except (RecursionError, ValueError) as error:
        raise BadBody(f"the request body cannot be written as JSON: {type(error).__name__}") from error
    if len(text) > MAX_BODY:
        raise BadBody(f"the request body has {len(text)} bytes, more than {MAX_BODY}", hint="compact the conversation")
    return f"{hashlib.sha256(text).hexdigest()}-{ordinal}"


def _messages(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise BadBody("messages: not a list with at least one message")
    if len(value) > MAX_MESSAGES:
        raise BadBody(f"messages: {len(value)} are more than {MAX_MESSAGES}", hint="compact the conversation")
    return [_message(item, f"messages[{index}]") for index, item in enumerate(value)]


def _message(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BadBody(f"{where}: not an object")
    role = value.get("role")
    if role not in _ROLES:
        raise BadBody(f"{where}.role: {str(role)[:40]!r} is none of {', '.join(_ROLES)}")
    content = value.get("content")
    parts = isinstance(content, list) and all(isinstance(part, Mapping) for part in content)
    if content is not None and not isinstance(content, str) and not parts:
        raise BadBody(f"{where}.content: neither text nor a list of parts")
    if role == "tool" and not isinstance(value.get("tool_call_id"), str):
        raise BadBody(f"{where}.tool_call_id: a message of role tool must name its call")
    calls = value.get("tool_calls")
    if calls is not None and not (role == "assistant" and isinstance(calls, list) and all(map(_is_tool_call, calls))):
        raise BadBody(f"{where}.tool_calls: not a list of calls by the assistant")
    return {name: value[name] for name in _MESSAGE_FIELDS if name in value}


def _is_tool_call(value: Any) -> bool:
    function = value.get("function") if isinstance(value, Mapping) else None
    return (
        isinstance(function, Mapping)
        and isinstance(value.get("id"), str)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments"), str)
    )


def _tools(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        raise BadBody(f"tools: not a list of at most {MAX_TOOLS} tools")
    tools = []
    for index, item in enumerate(value):
        function = item.get("function") if isinstance(item, Mapping) else None
        if not isinstance(function, Mapping) or item.get("type") != "function" or not isinstance(function.get("name"), str):
            raise BadBody(f"tools[{index}]: only tools of type function with a name are passed on")
        kept = {name: function[name] for name in ("name", "description", "parameters", "strict") if name in function}
        tools.append({"type": "function", "function": kept})
    return tools
