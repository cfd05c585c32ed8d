"""Which object: all that a reconcile gets to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sympozium_core.contracts.cluster import metadata


class Key(NamedTuple):
    """`namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Mapping[str, Any]) -> Key:
    """The key of an object that the cluster gave."""
    meta = metadata(obj)
    return Key(meta.get("namespace") or "", meta["name"])
