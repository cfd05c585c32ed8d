"""The schema of a declared tool's arguments, as far as a writer can get it wrong and a call would show it too late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path

TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
Complaint = tuple[Path, str, str]
"""Field below the tool, what is wrong, what would be right."""


def complaint(tool: Mapping[str, Any]) -> Complaint | None:
    """The first thing that is wrong with ``parameters``; None where nothing is."""
    parameters = tool.get("parameters")
    return next(_all(parameters), None) if isinstance(parameters, dict) else None


def _all(schema: Mapping[str, Any]) -> Iterator[Complaint]:
    at = ("parameters",)
    if schema.get("type", "object") != "object":
        yield (*at, "type"), f"is {shown(schema['type'])}", "object: the arguments of a tool are an object"
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield (*at, "properties"), f"is {shown(properties)}", "an object with one schema for each argument"
        return
    for name, each in properties.items():
        yield from _property((*at, "properties", name), each)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield (*at, "required"), f"is {shown(required)}", "a list of names of properties"
        return
    for index, name in enumerate(required):
        if name not in properties:
            yield (*at, "required", index), f"{shown(name)} is no parameter of the tool", "add it to parameters.properties"


def _property(at: Path, schema: Any) -> Iterator[Complaint]:
    if not isinstance(schema, dict):
        yield at, f"is {shown(schema)}", "a schema, such as {type: string}"
        return
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind] if kind is not None else []
    if unknown := [each for each in kinds if each not in TYPES]:
        yield (*at, "type"), f"{shown(unknown[0])} is no type", f"one of {', '.join(TYPES)}"
    if not isinstance(schema.get("enum", []), list):
        yield (*at, "enum"), f"is {shown(schema['enum'])}", "a list of the values that it may have"
