"""What a write makes of an object, as pure functions: which fields are the server's, which the writer's, and when generation moves.

The rules are those of the API server's ``rest.BeforeCreate``, ``BeforeUpdate`` and ``BeforeDelete`` and of its custom resource
strategy. Arguments are never changed; results share parts with them.
"""

from __future__ import annotations

import random
import secrets
import uuid
from typing import Any

from sympozium_core.contracts.cluster import BadRequest, Conflict, Object, Propagation, ResourceType, metadata
from sympozium_core.embedded.entries import FOREGROUND, ORPHAN
from sympozium_core.embedded.validation import check_shape, invalid
from sympozium_core.errors import Cause
from sympozium_core.names import DEFAULT_NAMESPACE

_DROPPED = ("managedFields", "selfLink")
_SERVERS = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
_RANDOM = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED = 58


def addressed(kind: ResourceType, obj: Any) -> Object:
    """The object with its type and namespace filled in, and without what nobody may write. Raises BadRequest."""
    check_shape(kind, obj)
    meta = {key: value for key, value in metadata(obj).items() if key not in _DROPPED and value is not None}
    if not kind.namespaced and meta.get("namespace"):
        raise BadRequest(
            f"{kind.kind} is cluster-scoped, metadata.namespace is {meta['namespace'][:100]!r}", hint="leave it out"
        )
    if kind.namespaced:
        meta.setdefault("namespace", DEFAULT_NAMESPACE)
    rest = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **rest}


def named(obj: Object) -> Object:
    """With a name made from generateName, where there is none."""
    meta = obj["metadata"]
    prefix = meta.get("generateName")
    if meta.get("name") or not prefix:
        return obj
    suffix = "".join(random.choices(_RANDOM, k=5))
    return {**obj, "metadata": {**meta, "name": prefix[:_MAX_GENERATED] + suffix}}


def new_uid(now: float) -> str:
    """A UUID of version 7 (RFC 9562, 5.7 and method 3 of 6.2), to a quarter of a microsecond: uids of one second, which is all that
    ``creationTimestamp`` tells, still sort in the order of creation, and queues go by it. `now` in epoch seconds."""
    milliseconds, fraction = divmod(int(now * 4096e3), 4096)
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def created(kind: ResourceType, obj: Object, *, uid: str, now: str) -> Object:
    """A new object: uid, time and generation are the server's, status is nobody's yet."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    meta |= {"uid": uid, "creationTimestamp": now}
    if _has_generation(kind):
        meta["generation"] = 1
    fresh = {**obj, "metadata": meta}
    if kind.status:
        fresh.pop("status", None)
    return fresh


def updated(kind: ResourceType, obj: Object, old: Object) -> Object:
    """`obj` in the place of `old`: the server's fields and status stay. Raises Invalid for another uid."""
    before = metadata(old)
    uid = str(metadata(obj).get("uid") or before["uid"])
    if uid != before["uid"]:
        cause = Cause("metadata.uid", f"Invalid value: {uid[:64]!r}: field is immutable")
        raise invalid(kind, str(before["name"]), [cause])
    meta = {key: value for key, value in obj["metadata"].items() if key not in _SERVERS}
    meta |= {key: before[key] for key in _SERVERS if key in before}
    fresh = {**obj, "metadata": meta}
    if kind.status:
        fresh.pop("status", None)
        if "status" in old:
            fresh["status"] = old["status"]
    if "generation" in before and _content(kind, fresh) != _content(kind, old):
        meta["generation"] = before["generation"] + 1
    return fresh


def replacing(kind: ResourceType, obj: Object, old: Object) -> Object:
    """`obj`, where it may take the place of `old`. A uid in it is a precondition: raises Conflict."""
    check_uid(kind, old, str(metadata(obj).get("uid") or ""))
    return obj


def status_updated(obj: Object, old: Object) -> Object:
    """`old` with the status of `obj` and nothing else of it."""
    fresh = {key: value for key, value in old.items() if key != "status"}
    return {**fresh, "status": obj["status"]} if obj.get("status") is not None else fresh


def marked_deleting(old: Object, finalizers: list[str], *, now: str) -> Object:
    """`old` on its way out, held by `finalizers`."""
    meta = dict(old["metadata"])
    if "deletionTimestamp" not in meta:
        meta |= {"deletionTimestamp": now, "deletionGracePeriodSeconds": 0}
        if "generation" in meta:
            meta["generation"] += 1
    meta.pop("finalizers", None)
    if finalizers:
        meta["finalizers"] = finalizers
    return {**old, "metadata": meta}


def deletion_finalizers(old: Object, propagation: Propagation) -> list[str]:
    """The finalizers that a deletion leaves: those of others, and the one that `propagation` asks of the garbage collector."""
    kept = [one for one in metadata(old).get("finalizers") or () if one not in (FOREGROUND, ORPHAN)]
    return kept + {"Foreground": [FOREGROUND], "Orphan": [ORPHAN], "Background": []}[propagation]


def check_uid(kind: ResourceType, old: Object, uid: str) -> None:
    have = metadata(old)["uid"]
    if uid and uid != have:
        raise conflict(kind, old, f"Precondition failed: UID in precondition: {uid[:64]}, UID in object meta: {have}")


def check_version(kind: ResourceType, old: Object, version: str) -> None:
    if version and version != metadata(old)["resourceVersion"]:
        raise conflict(kind, old, "the object has been modified; please apply your changes to the latest version and try again")


def check_versioned(kind: ResourceType, obj: Object) -> None:
    """Custom resources take no update without resourceVersion, as on a real API server. Raises Invalid."""
    if kind.group and not metadata(obj).get("resourceVersion"):
        cause = Cause(
            "metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update", "get the object first, or patch"
        )
        raise invalid(kind, str(metadata(obj).get("name")), [cause])


def check_address(obj: Object, old: Object) -> None:
    """A patch that gives the object another name or namespace is refused with BadRequest."""
    for field in ("name", "namespace"):
        new, have = metadata(obj).get(field), metadata(old).get(field)
        if new != have:
            raise BadRequest(f"the {field} of the object ({str(new)[:260]}) does not match the {field} of the request ({have})")


def conflict(kind: ResourceType, old: Object, why: str) -> Conflict:
    return Conflict(f'Operation cannot be fulfilled on {kind.resource} "{metadata(old)["name"]}": {why}')


def same(left: Object, right: Object) -> bool:
    """Equal but for resourceVersion: a write that changes nothing is none."""
    return _without_version(left) == _without_version(right)


def _without_version(obj: Object) -> Object:
    return {**obj, "metadata": {key: value for key, value in metadata(obj).items() if key != "resourceVersion"}}


def _content(kind: ResourceType, obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key != "metadata" and not (kind.status and key == "status")}


def _has_generation(kind: ResourceType) -> bool:
    return kind.status or not (kind.group.endswith(".k8s.io") or not kind.group)
