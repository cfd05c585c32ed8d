"""Every field that a user may write, from the schemas of the CRDs, which are made from the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tables import code, page, prose, table

from sympozium_core.contracts.cluster import ResourceType
from sympozium_core.resources import kinds
from sympozium_core.resources.crd import schema
from sympozium_core.resources.spelling import RENAMED

Row = list[str]


def resources() -> str:
    names = [
        [
            f"[{kind.kind}](#{kind.kind.lower()})",
            code(kind.plural),
            ", ".join(map(code, kind.short_names)),
            prose(schema(kind).get("description")),
        ]
        for kind in kinds.OURS
    ]
    parts = [
        f"The group is `{kinds.OURS[0].api_version}`. Where a field has two spellings, both are accepted and mean the same; the second is named "
        "in the first's row. A field that is not listed is refused. What is accepted and does not act yet in this "
        "version is listed in [what this version has and has not](../explanation/this-version.md).",
        table(["Kind", "Plural", "Short", "What it is"], names),
    ]
    for kind in kinds.OURS:
        parts += [f"## {kind.kind}", prose(schema(kind).get("description")), *_spec(kind), *_status(kind)]
    return page("Resources", "sympozium_core/resources", *parts)


def _spec(kind: ResourceType) -> Iterator[str]:
    made = schema(kind)["properties"]["spec"]
    others = {".".join(("spec", *old)): ".".join(("spec", *new)) for old, new in RENAMED.get(kind.kind, ())}
    yield table(["Field", "Type", "Default", "Meaning"], _rows(made, "spec", others))


def _status(kind: ResourceType) -> Iterator[str]:
    properties = schema(kind)["properties"]["status"].get("properties") or {}
    if properties:
        yield f"Status of {kind.kind}, written by the control plane:"
        yield table(
            ["Field", "Type", "Meaning"], ([row[0], row[1], row[3]] for row in _rows({"properties": properties}, "status", {}))
        )


def _rows(made: Mapping[str, Any], path: str, others: Mapping[str, str]) -> Iterator[Row]:
    required = made.get("required") or []
    for name, field in (made.get("properties") or {}).items():
        where = f"{path}.{name}"
        default = json.dumps(field["default"]) if "default" in field else ("required" if name in required else "")
        meaning = prose(field.get("description"))
        if where in others:
            meaning = f"the same as `{others[where]}`" + (f". {meaning}" if meaning else "")
        yield [code(where), _type(field), default if default == "required" else code(default), meaning]
        inner, suffix = field, ""
        while inner.get("type") == "array":
            inner, suffix = inner.get("items") or {}, f"{suffix}[]"
        if inner.get("properties"):
            yield from _rows(inner, where + suffix, others)


def _type(field: Mapping[str, Any]) -> str:
    if field.get("enum"):
        return ", ".join(code(str(value)) for value in field["enum"] if value is not None)
    if field.get("type") == "array":
        return f"list of {_type(field.get('items') or {})}"
    if isinstance(field.get("additionalProperties"), Mapping):
        return f"map of {_type(field['additionalProperties'])}"
    words = {"string": "text", "integer": "integer", "boolean": "true or false", "object": "object", "number": "number"}
    if field.get("x-kubernetes-int-or-string"):
        return "text or integer"
    return words.get(str(field.get("type")), "any")
