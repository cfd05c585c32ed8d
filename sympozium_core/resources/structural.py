"""JSON Schema as pydantic writes it, turned into what a CRD may hold.

The rules are those of structural schemas
(https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema):
no references, no titles, a type at every place, no unions but integer-or-string, null only by ``nullable``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
KEPT = frozenset(
    (
        "type", "format", "pattern", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "description",
        "required", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", PRESERVE,
    )
)  # fmt: skip
"""Keywords that mean the same on both sides and are copied."""


class NotStructural(Exception):
    """The model says something that a CRD cannot: mend the model."""


def convert(schema: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]) -> Schema:
    """One schema with everything it refers to inlined. Raises NotStructural."""
    if "$ref" in schema:
        target = definitions[str(schema["$ref"]).rsplit("/", 1)[-1]]
        return convert({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    if "anyOf" in schema:
        return _union(schema, definitions)
    made: Schema = {key: value for key, value in schema.items() if key in KEPT}
    if "description" in made:
        made["description"] = " ".join(made["description"].split())  # whoever shows it breaks its lines
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if schema.get("type") == "object":
        _object(made, schema, definitions)
    elif schema.get("type") == "array":
        made["items"] = convert(schema["items"], definitions)
    elif "type" not in schema:
        raise NotStructural(f"no type: {schema}")
    return made


def _union(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(choices) == 1:
        inner = convert(choices[0], definitions)
        made = {**inner, **{key: value for key, value in rest.items() if key in KEPT}}
    elif [choice.get("type") for choice in choices] == ["integer", "string"]:
        made = {key: value for key, value in rest.items() if key in KEPT} | {INT_OR_STRING: True}
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    else:
        raise NotStructural(f"a union: {schema['anyOf']}")
    if len(choices) < len(schema["anyOf"]):
        _allow_null(made)
    return made


def _object(made: Schema, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
    properties = schema.get("properties")
    additional = schema.get("additionalProperties")
    if properties:
        made["properties"] = {name: _property(name, schema, definitions) for name in properties}
        if additional is True:
            made[PRESERVE] = True
    elif isinstance(additional, dict):
        made["additionalProperties"] = convert(additional, definitions)
    elif patterns := schema.get("patternProperties"):  # keys with a pattern: a CRD cannot say it, admission checks it
        if len(patterns) != 1:
            raise NotStructural(f"several patterns of keys: {list(patterns)}")
        made["additionalProperties"] = convert(next(iter(patterns.values())), definitions)
    elif additional is True:
        made[PRESERVE] = True
    else:
        raise NotStructural(f"an object without fields: {schema}")


def _property(name: str, parent: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """A property; one that may be left out may be null as well, since reading treats both alike."""
    schema = parent["properties"][name]
    made = convert(schema, definitions)
    default = schema.get("default")
    if isinstance(default, bool | int | str) and default not in ("", False):
        made["default"] = default
        made.pop("nullable", None)
    elif name not in parent.get("required", ()):
        _allow_null(made)
    return made


def _allow_null(schema: Schema) -> None:
    """An enum would have to list null too; there the API server refuses what reading would take."""
    if "enum" not in schema:
        schema["nullable"] = True
