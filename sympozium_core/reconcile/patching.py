"""Writing only what changed: a write that changes nothing wakes every watcher and costs a version for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import Cluster, Object, ResourceType, metadata


def merge_patch_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest RFC 7386 patch that makes `new` of `old`; empty when they are equal. Lists are replaced whole.

    A None in `new` counts as absent: a merge patch cannot say null.
    """
    patch: dict[str, Any] = {}
    for name, value in new.items():
        if value is None:
            continue
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch_between(before, value)
            if inner:
                patch[name] = inner
        elif isinstance(value, Mapping):
            patch[name] = _without_none(value)
        elif before != value or isinstance(before, bool) is not isinstance(value, bool):
            patch[name] = value
    for name, before in old.items():
        if before is not None and new.get(name) is None:
            patch[name] = None
    return patch


async def patch_status(
    cluster: Cluster, kind: ResourceType, obj: Mapping[str, Any], status: Mapping[str, Any], *, unconditional: bool = False
) -> Object | None:
    """Makes `status` the object's status, and returns the object; None, and no write, when that is what it has.

    `obj` is the object as it was read: raises Conflict when it has moved on since, unless `unconditional`. Raises ApiError.
    """
    patch = merge_patch_between(obj.get("status") or {}, status)
    if not patch:
        return None
    meta = metadata(obj)
    body: dict[str, Any] = {"status": patch}
    if not unconditional:
        body["metadata"] = {"resourceVersion": meta["resourceVersion"]}
    return await cluster.patch(kind, meta.get("namespace"), meta["name"], body, subresource="status")


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(inner) if isinstance(inner, Mapping) else inner
        for name, inner in value.items()
        if inner is not None
    }
