"""Namespaces of the embedded store: two are always there, any other comes to be with the first object that names it."""

from __future__ import annotations

from sympozium_core.contracts.cluster import BadRequest, Forbidden, Object, ResourceType
from sympozium_core.embedded.entries import Entry
from sympozium_core.names import DEFAULT_NAMESPACE, LABEL_NAMESPACE_NAME, SYSTEM_NAMESPACE

NAMESPACE = ResourceType("", "v1", "Namespace", "namespaces", False, ("ns",), "namespace")
BUILT_IN = (DEFAULT_NAMESPACE, SYSTEM_NAMESPACE)


def implied(name: str) -> Object:
    """The Namespace object that nobody wrote; the label is the one that Kubernetes gives each of them."""
    labels = {LABEL_NAMESPACE_NAME: name}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def check_open(name: str, entry: Entry | None) -> bool:
    """True when the namespace has to be made first. Raises Forbidden for one on its way out."""
    if entry is not None and entry.deleting:
        raise Forbidden(f"unable to create new content in namespace {name} because it is being terminated")
    return entry is None


def check_deletable(kind: ResourceType, name: str) -> None:
    if kind.resource == NAMESPACE.resource and name in BUILT_IN:
        raise Forbidden(f'namespaces "{name}" is forbidden: this namespace may not be deleted')


def terminating(obj: Object) -> Object:
    return {**obj, "status": {"phase": "Terminating"}}


def namespace_of(kind: ResourceType, namespace: str | None) -> str:
    """The namespace part of a key. Raises BadRequest when it is missing."""
    if not kind.namespaced:
        return ""
    if not namespace:
        raise BadRequest(f"a namespace is needed for {kind.resource}")
    return namespace
