"""What OpenAI refuses in a chat completions request, with its own messages (https://platform.openai.com/docs/api-reference/chat/create)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    type(None): "null",
}
_NUMBER = (int, float)
_FIELDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "messages": (list,),
    "audio": (dict,),
    "frequency_penalty": _NUMBER,
    "function_call": (str, dict),
    "functions": (list,),
    "logit_bias": (dict,),
    "logprobs": (bool,),
    "max_completion_tokens": (int,),
    "max_tokens": (int,),
    "metadata": (dict,),
    "modalities": (list,),
    "n": (int,),
    "parallel_tool_calls": (bool,),
    "prediction": (dict,),
    "presence_penalty": _NUMBER,
    "prompt_cache_key": (str,),
    "reasoning_effort": (str,),
    "response_format": (dict,),
    "safety_identifier": (str,),
    "seed": (int,),
    "service_tier": (str,),
    "stop": (str, list),
    "store": (bool,),
    "stream": (bool,),
    "stream_options": (dict,),
    "temperature": _NUMBER,
    "tool_choice": (str, dict),
    "tools": (list,),
    "top_logprobs": (int,),
    "top_p": _NUMBER,
    "user": (str,),
    "verbosity": (str,),
    "web_search_options": (dict,),
}
_REQUIRED = ("model", "messages")
_RANGES = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_MESSAGE_FIELDS = {
    "system": {"content", "name"},
    "developer": {"content", "name"},
    "user": {"content", "name"},
    "assistant": {"content", "name", "tool_calls", "refusal", "audio", "function_call"},
    "tool": {"content", "tool_call_id"},
    "function": {"content", "name"},
}
_PART_TYPES = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
    "function": set(),
}
_ROLES = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"


class BadRequest(Exception):
    """The vendor's 400."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def check_body(body: Any, *, required: tuple[str, ...] = _REQUIRED) -> None:
    """Raises BadRequest for the first thing that is wrong."""
    if not isinstance(body, dict):
        raise BadRequest("We could not parse the JSON body of your request.")
    for name in body:
        if name not in _FIELDS:
            raise BadRequest(f"Unrecognized request argument supplied: {name}")
    for name in required:
        if name not in body:
            raise BadRequest(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    for name, value in body.items():
        if value is not None or name in _REQUIRED:
            _typed(value, _FIELDS[name], name)
    for name, (low, high) in _RANGES.items():
        _in_range(body.get(name), low, high, name)
    _check_options(body)
    _check_tools(body)
    _check_messages(body["messages"])


def _check_options(body: Mapping[str, Any]) -> None:
    options = body.get("stream_options")
    if options is None:
        return
    if not body.get("stream"):
        raise BadRequest("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    for name in options:
        if name not in ("include_usage", "include_obfuscation"):
            raise BadRequest(f"Unknown parameter: 'stream_options.{name}'.", f"stream_options.{name}", "unknown_parameter")
        _typed(options[name], (bool,), f"stream_options.{name}")


def _check_tools(body: Mapping[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        if body.get("tool_choice") not in (None, "none"):
            raise BadRequest(
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"
            )
        if body.get("parallel_tool_calls") is not None:
            message = (
                "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."
            )
            raise BadRequest(message, "parallel_tool_calls")
        return
    if not tools:
        message = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise BadRequest(message, "tools", "empty_array")
    if len(tools) > 128:
        message = f"Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length {len(tools)} instead."
        raise BadRequest(message, "tools", "array_above_max_length")
    for number, tool in enumerate(tools):
        _check_tool(tool, f"tools[{number}]")


def _check_tool(tool: Any, where: str) -> None:
    _fields(tool, where, {"type": (str,), "function": (dict,)}, required=("type", "function"))
    if tool["type"] != "function":
        message = f"Invalid value: '{tool['type']}'. Supported values are: 'function' and 'custom'."
        raise BadRequest(message, f"{where}.type", "invalid_value")
    kinds: dict[str, tuple[type, ...]] = {
        "name": (str,),
        "description": (str,),
        "parameters": (dict,),
        "strict": (bool, type(None)),
    }
    _fields(tool["function"], f"{where}.function", kinds, required=("name",))
    _check_name(tool["function"]["name"], f"{where}.function.name")
    schema = tool["function"].get("parameters")
    if schema is not None and schema.get("type") != "object":
        name, found = tool["function"]["name"], schema.get("type")
        message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{found}\"'."
        raise BadRequest(message, f"{where}.function.parameters", "invalid_function_parameters")


def _check_name(name: str, where: str) -> None:
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
        message = (
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        raise BadRequest(message, where, "invalid_value")
    _short(name, 64, where)


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise BadRequest(message, "messages", "empty_array")
    open_calls: list[str] = []
    answered = True
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        _check_message(message, where)
        if message["role"] == "tool":
            if not open_calls and answered:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                )
                raise BadRequest(text, f"messages.[{number}].role")
            if message["tool_call_id"] not in open_calls:
                text = f"Invalid parameter: 'tool_call_id' of '{message['tool_call_id']}' not found in 'tool_calls' of previous message."
                raise BadRequest(text, f"messages.[{number}].tool_call_id")
            open_calls.remove(message["tool_call_id"])
            answered = False
            continue
        _all_answered(open_calls, number)
        open_calls, answered = [call["id"] for call in message.get("tool_calls") or []], True
    _all_answered(open_calls, len(messages))


def _all_answered(open_calls: list[str], number: int) -> None:
    if open_calls:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
            f"The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
        )
        raise BadRequest(text, f"messages.[{number}].role")


def _check_message(message: Any, where: str) -> None:
    _typed(message, (dict,), where)
    if "role" not in message:
        raise BadRequest(f"Missing required parameter: '{where}.role'.", f"{where}.role", "missing_required_parameter")
    role = message["role"]
    if role not in _MESSAGE_FIELDS:
        raise BadRequest(f"Invalid value: '{role}'. Supported values are: {_ROLES}.", f"{where}.role", "invalid_value")
    for name in message:
        if name != "role" and name not in _MESSAGE_FIELDS[role]:
            raise BadRequest(f"Unknown parameter: '{where}.{name}'.", f"{where}.{name}", "unknown_parameter")
    if role == "tool" and "tool_call_id" not in message:
        raise BadRequest(
            f"Missing required parameter: '{where}.tool_call_id'.", f"{where}.tool_call_id", "missing_required_parameter"
        )
    if "tool_calls" in message:
        _check_calls(message["tool_calls"], f"{where}.tool_calls")
    _check_content(message, role, where)


def _check_content(message: Mapping[str, Any], role: str, where: str) -> None:
    content = message.get("content")
    if content is None:
        if role == "assistant" and (message.get("tool_calls") or message.get("refusal") or message.get("function_call")):
            return
        text = "Invalid value for 'content': expected a string, got null."
        raise BadRequest(text, f"{where.replace('[', '.[')}.content")
    _typed(content, (str, list), f"{where}.content")
    if isinstance(content, str):
        return
    for number, part in enumerate(content):
        _typed(part, (dict,), f"{where}.content[{number}]")
        if part.get("type") not in _PART_TYPES[role]:
            supported = ", ".join(f"'{kind}'" for kind in sorted(_PART_TYPES[role]))
            text = f"Invalid value: '{part.get('type')}'. Supported values are: {supported}."
            raise BadRequest(text, f"{where}.content[{number}].type", "invalid_value")
        if part["type"] == "text":
            _typed(part.get("text"), (str,), f"{where}.content[{number}].text")


def _check_calls(calls: Any, where: str) -> None:
    _typed(calls, (list,), where)
    if not calls:
        text = f"Invalid '{where}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise BadRequest(text, where, "empty_array")
    for number, call in enumerate(calls):
        place = f"{where}[{number}]"
        _fields(call, place, {"id": (str,), "type": (str,), "function": (dict,)}, required=("id", "type", "function"))
        _short(call["id"], 40, f"{place}.id")
        kinds: dict[str, tuple[type, ...]] = {"name": (str,), "arguments": (str,)}
        _fields(call["function"], f"{place}.function", kinds, required=("name", "arguments"))


def _fields(data: Any, where: str, kinds: Mapping[str, tuple[type, ...]], required: tuple[str, ...]) -> None:
    _typed(data, (dict,), where)
    for name in required:
        if name not in data:
            raise BadRequest(f"Missing required parameter: '{where}.{name}'.", f"{where}.{name}", "missing_required_parameter")
    for name, value in data.items():
        if name not in kinds:
            raise BadRequest(f"Unknown parameter: '{where}.{name}'.", f"{where}.{name}", "unknown_parameter")
        _typed(value, kinds[name], f"{where}.{name}")


def _typed(value: Any, kinds: tuple[type, ...], where: str) -> None:
    # In Python a bool is an int; in JSON it is not.
    if type(value) in kinds:
        return
    wanted = " or ".join(["one of " * (len(kinds) > 1) + _NAMES[kinds[0]], *(_NAMES[kind] for kind in kinds[1:])])
    text = f"Invalid type for '{where}': expected {wanted}, but got {_NAMES[type(value)]} instead."
    raise BadRequest(text, where, "invalid_type")


def _in_range(value: Any, low: float, high: float, name: str) -> None:
    if value is not None and value > high:
        text = f"Invalid '{name}': decimal above maximum value. Expected a value <= {high}, but got {value} instead."
        raise BadRequest(text, name, "decimal_above_max_value")
    if value is not None and value < low:
        text = f"Invalid '{name}': decimal below minimum value. Expected a value >= {low}, but got {value} instead."
        raise BadRequest(text, name, "decimal_below_min_value")


def _short(text: str, limit: int, where: str) -> None:
    if not text:
        message = f"Invalid '{where}': empty string. Expected a string with minimum length 1, but got an empty string instead."
        raise BadRequest(message, where, "empty_string")
    if len(text) > limit:
        message = (
            f"Invalid '{where}': string too long. Expected a string with maximum length {limit}, "
            f"but got a string with length {len(text)} instead."
        )
        raise BadRequest(message, where, "string_above_max_length")
