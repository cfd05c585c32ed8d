"""A typed function with a docstring as a tool: its name, its description and the JSON Schema of its arguments from its signature."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, overload

from sympozium_core.ipc.fields import TOOL_NAME
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.sidecar.calls import Call, Outcome

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
_ATTRIBUTE = "__sympozium_tool__"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class ToolError(Exception):
    """A call that failed. The message is for the model: what is wrong, and what to try."""


class BadArguments(ToolError):
    """The arguments of a call do not fit."""


@dataclass(frozen=True)
class Handler:
    """A tool that a server can serve: what is offered, and what runs a call."""

    definition: ToolDefinition
    run: Callable[[Mapping[str, Any], Call], Outcome]
    timeout: float = 120.0
    """Seconds for a call that brings no deadline of its own."""


@overload
def tool(function: _Function) -> _Function: ...


@overload
def tool(*, name: str = "", timeout: float = 120.0) -> Callable[[_Function], _Function]: ...


def tool(function: Callable[..., Any] | None = None, *, name: str = "", timeout: float = 120.0) -> Any:
    """Marks a function as a tool: ``@tool``, or ``@tool(name=…, timeout=…)``. The function stays as it was.

    Parameters are str, int, float, bool, list, dict, Literal, or one of them or None; `Annotated[str, "…"]` describes one. A parameter of
    type `Call` gets the running call and is not offered. The function returns a text, an `Outcome`, or what JSON can hold. What it raises is
    told to the model as an error.
    """

    def mark(target: Callable[..., Any]) -> Callable[..., Any]:
        setattr(target, _ATTRIBUTE, handler_of(target, name=name, timeout=timeout))
        return target

    return mark(function) if function is not None else mark


def handler_of(function: Callable[..., Any], *, name: str = "", timeout: float = 120.0) -> Handler:
    """The tool that a function is. Raises TypeError, naming the parameter, for a signature that no schema can say."""
    known = getattr(function, _ATTRIBUTE, None)
    if isinstance(known, Handler):
        return known
    name = name or function.__name__
    if not TOOL_NAME.match(name):
        raise TypeError(
            f"{name!r} is no name of a tool: letters, digits, '_', '-' and '.', at most 64, not beginning with a digit"
        )
    hints = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    call_parameter = next((key for key in parameters if hints.get(key) is Call), "")
    properties: dict[str, Any] = {}
    required = []
    for key, parameter in parameters.items():
        if key == call_parameter:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise TypeError(f"{name}: the parameter {key!r} cannot be given by name")
        properties[key] = _schema(hints.get(key), f"{name}: the parameter {key!r}")
        if parameter.default is parameter.empty:
            required.append(key)
        elif parameter.default is not None:
            properties[key]["default"] = parameter.default
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    definition = ToolDefinition(name, inspect.cleandoc(function.__doc__ or ""), schema)

    def run(arguments: Mapping[str, Any], call: Call) -> Outcome:
        given = check_arguments(schema, arguments)
        if call_parameter:
            given[call_parameter] = call
        return outcome_of(function(**given))

    return Handler(definition, run, timeout)


def outcome_of(value: Any) -> Outcome:
    """What a function returned, as the outcome of its call."""
    if isinstance(value, Outcome):
        return value
    if value is None:
        return Outcome("")
    return Outcome(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def check_arguments(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as keywords. Raises BadArguments, naming every one that does not fit."""
    properties = schema["properties"]
    wrong = [f"{key!r} is missing" for key in schema["required"] if key not in arguments]
    given = {}
    for key, value in arguments.items():
        if key not in properties:
            wrong.append(f"there is no {key!r}")
        elif problem := _problem(properties[key], value):
            wrong.append(f"{key!r} {problem}")
        else:
            # 3.0 is an integer in JSON, and not in Python.
            given[key] = int(value) if properties[key].get("type") == "integer" and isinstance(value, float) else value
    if wrong:
        raise BadArguments(
            f"the arguments do not fit: {', '.join(wrong)}. The parameters are: {', '.join(properties) or 'none'}"
        )
    return given


def _problem(schema: Mapping[str, Any], value: Any) -> str:
    if "anyOf" in schema:
        problems = [_problem(option, value) for option in schema["anyOf"]]
        return "" if "" in problems else problems[0]
    if "enum" in schema:
        return "" if value in schema["enum"] else f"must be one of {', '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "string": isinstance(value, str),
        "integer": number and value == int(value),
        "number": number,
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
        "null": value is None,
    }
    if kind is None:
        return ""
    if not fits[kind]:
        return f"must be of type {kind}"
    if kind == "array" and "items" in schema:
        return next((f"has an item that {problem}" for item in value if (problem := _problem(schema["items"], item))), "")
    return ""


def _schema(hint: Any, where: str) -> dict[str, Any]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        described = next((extra for extra in inner[1:] if isinstance(extra, str)), "")
        return {**_schema(inner[0], where), **({"description": described} if described else {})}
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if origin is Literal:
        return {"enum": list(inner)}
    if hint is list or origin is list:
        return {"type": "array", **({"items": _schema(inner[0], where)} if inner else {})}
    if hint is dict or origin is dict:
        return {"type": "object"}
    if hint is Any:
        return {}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if option is type(None) else _schema(option, where) for option in inner]}
    raise TypeError(f"{where} needs a type that JSON has: str, int, float, bool, list, dict, Literal, or one of them or None")
