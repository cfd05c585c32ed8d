"""What belongs to the installation, kept in the cluster: by it an upgrade knows what is needed no more, and an uninstallation what there is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import Object
from sympozium_core.installation.options import Images, Options, Size
from sympozium_core.installation.parts import make

NAME = "sympozium-installation"
VERSION, OBJECTS, OPTIONS, BY = "version", "objects", "options", "by"
HELM = "helm"
"""Under `BY`: another program keeps the installation."""


@dataclass(frozen=True, order=True)
class Entry:
    """Names one object."""

    api_version: str
    kind: str
    namespace: str
    """Empty for what is in none."""
    name: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Entry:
        meta = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], meta.get("namespace") or "", meta["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def inventory(options: Options, objects: Sequence[Object]) -> Object:
    """The ConfigMap; its own entry is among them."""
    made = make(options, CONFIG_MAP, NAME, "installation", {})
    text = json.dumps(dataclasses.asdict(options), indent=2)
    return {**made, "data": {VERSION: options.version, OBJECTS: _lines(map(Entry.of, (*objects, made))), OPTIONS: text}}


def entries_of(found: Mapping[str, Any]) -> list[Entry]:
    """Of a stored inventory, in the order in which they were made; what is no entry is left out."""
    lines = str((found.get("data") or {}).get(OBJECTS) or "").splitlines()
    parts = [line.split(" ") for line in lines]
    return [Entry(part[0], part[1], "" if part[2] == "-" else part[2], part[3]) for part in parts if len(part) == 4]


def with_objects(found: Mapping[str, Any], new: Iterable[Mapping[str, Any]]) -> Object:
    """A stored inventory that names these objects too, for who is about to make them and may not come to the end."""
    more = [entry for entry in map(Entry.of, new) if entry not in set(entries_of(found))]
    data = {**(found.get("data") or {})}
    data[OBJECTS] = str(data.get(OBJECTS) or "") + _lines(more)
    meta = found["metadata"]
    kept = {"name": meta["name"], "namespace": meta["namespace"], "labels": meta.get("labels") or {}}
    return {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": kept, "data": data}


def _lines(entries: Iterable[Entry]) -> str:
    return "".join(f"{entry.api_version} {entry.kind} {entry.namespace or '-'} {entry.name}\n" for entry in entries)


def version_of(found: Mapping[str, Any]) -> str:
    return str((found.get("data") or {}).get(VERSION) or "")


def options_of(found: Mapping[str, Any]) -> Options | None:
    """What the installation was made with; None for what this version cannot read."""
    try:
        data = json.loads((found.get("data") or {})[OPTIONS])
        known = {field.name for field in dataclasses.fields(Options)}
        given = {name: value for name, value in data.items() if name in known}
        sizes = {name: Size(**given[name]) for name in ("controller", "gateway", "webhook", "nats") if name in given}
        images = Images(**{**given["images"], "pull_secrets": tuple(given["images"]["pull_secrets"])})
        ports = tuple(given["api_server_ports"])
        return Options(**{**given, **sizes, "images": images, "api_server_ports": ports})
    except (KeyError, TypeError, ValueError):
        return None


def beyond(old: Iterable[Entry], new: Iterable[Object]) -> list[Entry]:
    """What was there and is needed no more, the last made first."""
    kept = {Entry.of(obj) for obj in new}
    return [entry for entry in reversed(list(old)) if entry not in kept]
