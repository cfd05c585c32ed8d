"""A light check of a tool call's arguments against the tool's JSON Schema, so that a sidecar meets no surprise at the top level.

Not a validator: it looks at `type`, `required`, `enum` and `additionalProperties` of the outermost object and believes the rest. The sidecar's
author knows the tool; this only keeps a call that cannot be right from being journalled and run.
Keywords: https://json-schema.org/draft/2020-12/json-schema-validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def argument_error(schema: Mapping[str, Any], arguments: Any) -> str:
    """What is wrong, naming the argument and never its value; empty when nothing is."""
    if not isinstance(arguments, Mapping):
        return "the arguments are not an object"
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    if isinstance(required, Sequence) and not isinstance(required, str):
        missing = [str(name) for name in required if name not in arguments]
        if missing:
            return f"missing: {', '.join(missing[:10])}"
    if schema.get("additionalProperties") is False:
        extra = [name for name in arguments if name not in properties]
        if extra:
            return f"not an argument of this tool: {extra[0][:64]!r}; known: {', '.join(list(properties)[:20]) or 'none'}"
    for name, value in arguments.items():
        rule = properties.get(name)
        if isinstance(rule, Mapping) and (wrong := _value_error(rule, value)):
            return f"{name[:64]}: {wrong}"
    return ""


def _value_error(rule: Mapping[str, Any], value: Any) -> str:
    allowed = rule.get("type")
    kinds = [allowed] if isinstance(allowed, str) else allowed if isinstance(allowed, list) else []
    if (
        kinds
        and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)
        and not any(_is(kind, value) for kind in kinds)
    ):
        return f"not of type {' or '.join(kinds)}"
    enum = rule.get("enum")
    if isinstance(enum, list) and value not in enum:
        return f"none of {', '.join(str(item) for item in enum[:20])}"
    return ""


def _is(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])
