"""Finalizers: an object stays, with a deletionTimestamp, until each controller that holds it has cleaned up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import Cluster, NotFound, Object, ResourceType, metadata


def is_deleting(obj: Mapping[str, Any]) -> bool:
    return bool(metadata(obj).get("deletionTimestamp"))


def has_finalizer(obj: Mapping[str, Any], finalizer: str) -> bool:
    return finalizer in (metadata(obj).get("finalizers") or ())


async def add_finalizer(cluster: Cluster, kind: ResourceType, obj: Mapping[str, Any], finalizer: str) -> Object | None:
    """Holds the object; returns it as written, None when it was held already or is being deleted (too late to hold).

    `obj` is the object as it was read. Raises Conflict when it has moved on.
    """
    if has_finalizer(obj, finalizer) or is_deleting(obj):
        return None
    return await _write(cluster, kind, obj, [*(metadata(obj).get("finalizers") or ()), finalizer])


async def remove_finalizer(cluster: Cluster, kind: ResourceType, obj: Mapping[str, Any], finalizer: str) -> Object | None:
    """Lets the object go; None when it was not held or is gone. Raises Conflict when it has moved on."""
    if not has_finalizer(obj, finalizer):
        return None
    try:
        return await _write(cluster, kind, obj, [each for each in metadata(obj)["finalizers"] if each != finalizer])
    except NotFound:
        return None


async def _write(cluster: Cluster, kind: ResourceType, obj: Mapping[str, Any], finalizers: list[str]) -> Object:
    meta = metadata(obj)
    patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": finalizers or None}}
    return await cluster.patch(kind, meta.get("namespace"), meta["name"], patch)
