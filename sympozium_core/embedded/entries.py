"""What the store keeps in memory: every object in its stored form, found by key, by owner and by namespace.

Objects are kept as JSON text and parsed for each reader: a parse is quicker than a deep copy of parsed objects, the text goes to REST
clients as it is, and what a reader gets is its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sympozium_core.cluster.selectors import field_values
from sympozium_core.contracts.cluster import BadRequest, Object, ResourceType, metadata

Change = Literal["ADDED", "MODIFIED", "DELETED"]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Key(NamedTuple):
    """`namespace` is empty for cluster-scoped kinds."""

    resource: str
    namespace: str
    name: str


class Traits(NamedTuple):
    """What selectors look at."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


class Owner(NamedTuple):
    """An owner reference, without what garbage collection never asks."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocking: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One state of one object."""

    key: Key
    revision: int
    data: bytes
    """The stored JSON, resourceVersion included; a Secret's is sealed."""
    written: float
    uid: str
    traits: Traits
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    deleting: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """One line of the watch log. For DELETED `entry` is the last state, under the number of the deletion."""

    change: Change
    entry: Entry
    before: Traits | None
    """What selectors saw before; None for ADDED."""

    @property
    def number(self) -> int:
        return self.entry.revision


def make_entry(kind: ResourceType, obj: Object, data: bytes, *, revision: int, written: float) -> Entry:
    """`data` is the stored text of `obj`."""
    meta = metadata(obj)
    return Entry(
        key=key_of(kind, obj),
        revision=revision,
        data=data,
        written=written,
        uid=meta["uid"],
        traits=Traits(meta.get("labels") or {}, field_values(kind, obj)),
        owners=tuple(_owner(reference) for reference in meta.get("ownerReferences") or ()),
        finalizers=tuple(meta.get("finalizers") or ()),
        deleting="deletionTimestamp" in meta,
    )


def key_of(kind: ResourceType, obj: Object) -> Key:
    meta = metadata(obj)
    return Key(kind.resource, meta.get("namespace", "") if kind.namespaced else "", meta.get("name", ""))


def _owner(reference: Mapping[str, Any]) -> Owner:
    blocking = reference.get("blockOwnerDeletion") is True
    return Owner(reference["apiVersion"], reference["kind"], reference["name"], reference["uid"], blocking)


def dump(obj: Any) -> bytes:
    """The JSON text. Raises BadRequest for what JSON or UTF-8 cannot carry."""
    try:
        return _ENCODER.encode(obj).encode()
    except (TypeError, ValueError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
        reason = "it holds an unpaired surrogate" if isinstance(error, UnicodeEncodeError) else str(error)
        raise BadRequest(f"the object is no JSON value: {reason[:200]}") from error


class Cache:
    """The newest committed state of all objects. Used from the event loop alone, so a reader always sees one moment."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[Key, Entry]] = {}
        self._by_uid: dict[str, Key] = {}
        self._by_owner: dict[str, set[Key]] = {}
        self._by_namespace: dict[str, int] = {}

    def get(self, key: Key) -> Entry | None:
        return self._kinds.get(key.resource, {}).get(key)

    def entries(self, resource: str, namespace: str | None = None) -> list[Entry]:
        """All of one kind, in the order of Kubernetes: by namespace, then by name."""
        found = self._kinds.get(resource, {})
        keys = found if namespace is None else [key for key in found if key.namespace == namespace]
        return [found[key] for key in sorted(keys)]

    def everything(self) -> Iterator[Entry]:
        for entries in self._kinds.values():
            yield from entries.values()

    def by_uid(self, uid: str) -> Entry | None:
        key = self._by_uid.get(uid)
        return None if key is None else self.get(key)

    def dependents(self, uid: str) -> list[Entry]:
        """Those that name the object `uid` as an owner."""
        found = (self.get(key) for key in sorted(self._by_owner.get(uid, ())))
        return [entry for entry in found if entry is not None]

    def in_namespace(self, namespace: str) -> list[Entry]:
        return [entry for entry in self.everything() if entry.key.namespace == namespace]

    def namespace_used(self, namespace: str) -> bool:
        return self._by_namespace.get(namespace, 0) > 0

    def apply(self, revision: Revision) -> None:
        key = revision.entry.key
        old = self.get(key)
        if old is not None:
            self._forget(old)
        if revision.change != "DELETED":
            self.add(revision.entry)

    def add(self, entry: Entry) -> None:
        self._kinds.setdefault(entry.key.resource, {})[entry.key] = entry
        self._by_uid[entry.uid] = entry.key
        for owner in entry.owners:
            self._by_owner.setdefault(owner.uid, set()).add(entry.key)
        if entry.key.namespace:
            self._by_namespace[entry.key.namespace] = self._by_namespace.get(entry.key.namespace, 0) + 1

    def _forget(self, entry: Entry) -> None:
        del self._kinds[entry.key.resource][entry.key]
        self._by_uid.pop(entry.uid, None)
        for owner in entry.owners:
            keys = self._by_owner.get(owner.uid, set())
            keys.discard(entry.key)
            if not keys:
                self._by_owner.pop(owner.uid, None)
        if entry.key.namespace:
            self._by_namespace[entry.key.namespace] -= 1
            if not self._by_namespace[entry.key.namespace]:
                del self._by_namespace[entry.key.namespace]
