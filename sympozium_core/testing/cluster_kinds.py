"""The kinds that the contract suite of the cluster port works on, and the small things that its checks share."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from sympozium_core.contracts.cluster import Cluster, ListPage, NotFound, Object, ResourceType, WatchEvent

T = TypeVar("T")

GROUP = "contract.sympozium.ai"
WIDGET = ResourceType(GROUP, "v1", "Widget", "widgets", True, (), "widget")
ROOT_WIDGET = ResourceType(GROUP, "v1", "RootWidget", "rootwidgets", False, (), "rootwidget")
SECRET = ResourceType("", "v1", "Secret", "secrets", True, (), "secret", status=False)
CONFIG_MAP = ResourceType("", "v1", "ConfigMap", "configmaps", True, ("cm",), "configmap", status=False)
CONTRACT_KINDS = (WIDGET, ROOT_WIDGET, SECRET, CONFIG_MAP)

DEADLINE = 20.0
"""Seconds in which anything that happens by itself (collection, events) must have happened."""


def crd(kind: ResourceType) -> Object:
    """The CustomResourceDefinition that a real API server needs before it can run the suite."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    status = {**free, "properties": {"phase": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": free, "status": status}}
    version = {
        "name": kind.version, "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema}, "selectableFields": [{"jsonPath": ".status.phase"}],
    }  # fmt: skip
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.singular, "listKind": f"{kind.kind}List"},
            "versions": [version],
        },
    }


CONTRACT_CRDS = (crd(WIDGET), crd(ROOT_WIDGET))


def widget(namespace: str, name: str, *, spec: Any = None, owners: list[Object] | None = None, **meta: Any) -> Object:
    """A Widget; `meta` goes into its metadata."""
    metadata = {"name": name, "namespace": namespace, **meta}
    if owners:
        metadata["ownerReferences"] = owners
    return {
        "apiVersion": WIDGET.api_version, "kind": WIDGET.kind, "metadata": metadata, "spec": {"size": 1} if spec is None else spec,
    }  # fmt: skip


def owned_by(owner: Object, *, blocking: bool = False, **changes: Any) -> Object:
    """An owner reference to `owner`."""
    meta = owner["metadata"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return reference | ({"blockOwnerDeletion": True} if blocking else {}) | changes


async def until(condition: Callable[[], Awaitable[T]], what: str) -> T:
    """The first true answer of `condition`; fails after `DEADLINE`."""
    end = time.monotonic() + DEADLINE
    while not (found := await condition()):
        assert time.monotonic() < end, f"{what} did not happen within {DEADLINE} s"
        await asyncio.sleep(0.01)
    return found


async def gone(cluster: Cluster, kind: ResourceType, namespace: str | None, name: str) -> None:
    """Waits until the object is not there any more."""

    async def missing() -> bool:
        try:
            await cluster.get(kind, namespace, name)
        except NotFound:
            return True
        return False

    await until(missing, f"the end of {kind.kind} {name}")


async def everything(
    cluster: Cluster, kind: ResourceType, namespace: str, limit: int, **selectors: str
) -> tuple[list[Object], list[ListPage]]:
    """All pages of a list."""
    pages = [await cluster.list(kind, namespace, limit=limit, **selectors)]
    while pages[-1].continue_token:
        pages.append(await cluster.list(kind, namespace, limit=limit, continue_token=pages[-1].continue_token, **selectors))
    return [item for page in pages for item in page.items], pages


def names(items: list[Object]) -> list[str]:
    return [item["metadata"]["name"] for item in items]


@contextlib.asynccontextmanager
async def watching(
    cluster: Cluster, namespace: str | None, version: str, **options: Any
) -> AsyncIterator[AsyncIterator[WatchEvent]]:
    """A watch of Widgets that is closed in the end. Bookmarks are left out."""
    events: Any = cluster.watch(WIDGET, namespace, resource_version=version, **options)

    async def without_bookmarks() -> AsyncIterator[WatchEvent]:
        async for event in events:
            if event.type != "BOOKMARK":
                yield event

    try:
        yield without_bookmarks()
    finally:
        await events.aclose()


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[WatchEvent]:
    """The next `count` events; fails after `DEADLINE`."""
    async with asyncio.timeout(DEADLINE):
        return [await anext(events) for _ in range(count)]


async def version_now(cluster: Cluster, namespace: str) -> str:
    return (await cluster.list(WIDGET, namespace, limit=1)).resource_version
