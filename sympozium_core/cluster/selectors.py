"""Label and field selectors in the Kubernetes text forms, parsed once and matched often.

Grammar: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors and ``field-selectors``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sympozium_core.contracts.cluster import BadRequest, ResourceType

Operator = Literal["in", "notin", "exists", "absent"]

MAX_SELECTOR = 16 * 1024
"""Longest selector that is parsed, in characters."""

_KEY = r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|!=|=)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_VALUE_ONLY = re.compile(_VALUE)


@dataclass(frozen=True)
class Requirement:
    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "in":
                return found is not None and found in self.values
            case "notin":  # an object without the key matches, as in Kubernetes
                return found is None or found not in self.values
            case "exists":
                return found is not None
            case "absent":
                return found is None


@dataclass(frozen=True)
class Selector:
    """Both selectors of one request. An empty one matches everything."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str], fields: Mapping[str, str]) -> bool:
        return all(one.matches(labels) for one in self.labels) and all(
            one.matches({one.key: fields.get(one.key, "")}) for one in self.fields
        )

    @property
    def empty(self) -> bool:
        return not self.labels and not self.fields


EVERYTHING = Selector()


def parse_selector(kind: ResourceType, labels: str = "", fields: str = "") -> Selector:
    """Raises BadRequest, naming the part that is wrong."""
    return Selector(labels=parse_labels(labels), fields=parse_fields(fields, selectable_fields(kind)))


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """``a=b,c!=d,e in (f,g),h notin (i),j,!k``. Raises BadRequest."""
    return tuple(_requirement(part) for part in _split(text))


def parse_fields(text: str, allowed: tuple[str, ...]) -> tuple[Requirement, ...]:
    """``metadata.name=x,status.phase!=y``. Raises BadRequest for a field that is not in `allowed`."""
    found = []
    for part in _split(text):
        key, operator, value = _field_parts(part)
        if key not in allowed:
            raise BadRequest(
                f"field label not supported: {key[:200]!r}", hint=f"fields that can be selected: {', '.join(allowed)}"
            )
        found.append(Requirement(key, operator, frozenset((value,))))
    return tuple(found)


def selectable_fields(kind: ResourceType) -> tuple[str, ...]:
    """The fields that a field selector may name, as the API server (core kinds) or our CRDs (``selectableFields``) allow."""
    always = ("metadata.name",) + (("metadata.namespace",) if kind.namespaced else ())
    if kind.kind == "Event":
        involved = tuple(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid"))
        return (*always, *involved, "reason", "type")
    if kind.kind == "Secret" and not kind.group:
        return (*always, "type")
    return (*always, "status.phase") if kind.status else always


def field_values(kind: ResourceType, obj: Mapping[str, Any]) -> dict[str, str]:
    """What the selectable fields of `obj` hold; a field that is missing is the empty string, as in Kubernetes."""
    return {path: _at(obj, path) for path in selectable_fields(kind)}


def _at(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _split(text: str) -> list[str]:
    """Splits at commas outside parentheses."""
    if len(text) > MAX_SELECTOR:
        raise BadRequest(f"the selector has {len(text)} characters; the longest allowed has {MAX_SELECTOR}")
    parts = re.findall(r"(?:[^,()]|\([^()]*\))+", text)
    if ",".join(parts) != text.strip(",") and text.strip():
        raise BadRequest(f"unable to parse the selector {text[:200]!r}", hint="write for example app=web,tier in (a,b)")
    return [part.strip() for part in parts if part.strip()]


def _requirement(part: str) -> Requirement:
    if found := _SET.fullmatch(part):
        values = frozenset(value.strip() for value in found[3].split(","))
        if all(_VALUE_ONLY.fullmatch(value) for value in values):
            return Requirement(found[1], "in" if found[2] == "in" else "notin", values)
    elif found := _EQUALITY.fullmatch(part):
        return Requirement(found[1], "notin" if found[2] == "!=" else "in", frozenset((found[3],)))
    elif found := _EXISTS.fullmatch(part):
        return Requirement(found[2], "absent" if found[1] else "exists")
    raise BadRequest(
        f"unable to parse the requirement {part[:200]!r}", hint="write key=value, key!=value, key in (a,b), key or !key"
    )


def _field_parts(part: str) -> tuple[str, Operator, str]:
    for sign, operator in (("!=", "notin"), ("==", "in"), ("=", "in")):
        key, found, value = part.partition(sign)
        if found:
            return key.strip(), operator, value.strip()  # type: ignore[return-value]
    raise BadRequest(f"invalid field selector {part[:200]!r}", hint="write metadata.name=value")
