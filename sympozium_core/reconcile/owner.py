"""Owner references: what is owned goes with its owner, and a change of what is owned wakes the owner's controller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sympozium_core.contracts.cluster import ResourceType, metadata
from sympozium_core.reconcile.key import Key


def owner_reference(
    kind: ResourceType, owner: Mapping[str, Any], *, controller: bool = True, block: bool = True
) -> dict[str, Any]:
    """A reference to `owner`, for `metadata.ownerReferences`. `block` holds a foreground deletion of the owner until this one is gone."""
    meta = metadata(owner)
    reference: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "name": meta["name"], "uid": meta["uid"]}
    if controller:
        reference["controller"] = True
    if block:
        reference["blockOwnerDeletion"] = True
    return reference


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one reference with ``controller: true``, None when there is none."""
    return next((each for each in metadata(obj).get("ownerReferences") or () if each.get("controller") is True), None)


def is_owned_by(obj: Mapping[str, Any], owner: Mapping[str, Any]) -> bool:
    """By UID: an owner that was deleted and made again is another one."""
    uid = metadata(owner).get("uid")
    return bool(uid) and any(each.get("uid") == uid for each in metadata(obj).get("ownerReferences") or ())


def owner_keys(kind: ResourceType) -> Callable[[Mapping[str, Any]], list[Key]]:
    """For a controller's sources: maps an object to the keys of its owners of this kind."""

    def keys(obj: Mapping[str, Any]) -> list[Key]:
        meta = metadata(obj)
        namespace = meta.get("namespace", "") if kind.namespaced else ""
        return [
            Key(namespace, each["name"])
            for each in meta.get("ownerReferences") or ()
            if each.get("kind") == kind.kind and str(each.get("apiVersion", "")).rpartition("/")[0] == kind.group
        ]

    return keys
