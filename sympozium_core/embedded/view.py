"""The cluster port on the store, for one user: the same calls that the REST client makes, without the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal

from sympozium_core.cluster.patches import json_patch, merge_patch
from sympozium_core.cluster.selectors import parse_selector
from sympozium_core.contracts.cluster import (
    BadRequest,
    ListPage,
    Object,
    PatchType,
    Propagation,
    ResourceType,
    WatchEvent,
    metadata,
)
from sympozium_core.embedded.mutations import Caller, Subresource, Target
from sympozium_core.embedded.namespaces import namespace_of
from sympozium_core.embedded.watches import Query
from sympozium_core.names import DEFAULT_NAMESPACE

if TYPE_CHECKING:
    from sympozium_core.embedded.store import Store

PARSED_AT_ONCE = 200
"""Objects that are parsed before others get their turn on the event loop."""


class StoreView:
    """Implements `contracts.cluster.Cluster`. Closing it leaves the store open: it belongs to who opened it."""

    def __init__(self, store: Store, caller: Caller) -> None:
        self._store = store
        self._caller = caller

    async def get(self, kind: ResourceType, namespace: str | None, name: str) -> Object:
        obj: Object = json.loads(self._store.read(kind, namespace, name))
        return obj

    async def list(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
    ) -> ListPage:
        page = self._store.page(_query(kind, namespace, labels, fields), limit=limit, token=continue_token)
        items: list[Object] = []
        for number, entry in enumerate(page.entries, start=1):
            items.append(json.loads(self._store.mutations.clear(kind, entry.data)))
            if number % PARSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return ListPage(items, str(page.revision), page.token)

    async def create(self, kind: ResourceType, obj: Object, *, dry_run: bool = False) -> Object:
        self._store.check_kind(kind)
        return await self._store.mutations.create(self._caller, kind, obj, dry_run=dry_run)

    async def replace(
        self, kind: ResourceType, obj: Object, *, subresource: Literal["", "status"] = "", dry_run: bool = False
    ) -> Object:
        target = self._target(kind, metadata(obj).get("namespace") or DEFAULT_NAMESPACE, metadata(obj).get("name"), subresource)
        return await self._store.mutations.replace(self._caller, target, obj, dry_run=dry_run)

    async def patch(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: Literal["", "status"] = "",
        dry_run: bool = False,
    ) -> Object:
        if type not in ("merge", "json"):
            raise BadRequest(f"unknown patch type {str(type)[:50]!r}", hint="use merge or json")
        if type == "merge" and not isinstance(patch, dict):
            raise BadRequest("a merge patch of an object must be an object")
        apply = merge_patch if type == "merge" else json_patch
        target = self._target(kind, namespace, name, subresource)
        return await self._store.mutations.update(self._caller, target, lambda old: apply(old, patch), dry_run=dry_run)

    async def delete(
        self,
        kind: ResourceType,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = "Background",
        grace: int | None = None,
    ) -> Object:
        target = self._target(kind, namespace, name)
        deleted = await self._store.mutations.delete(
            self._caller, target, uid=uid, resource_version=resource_version, propagation=propagation
        )
        return deleted.object

    async def watch(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
        timeout: float = 0,
    ) -> AsyncGenerator[WatchEvent, None]:
        events = self._store.follow(_query(kind, namespace, labels, fields), resource_version, timeout=timeout)
        async with contextlib.aclosing(events) as closing:
            async for event in closing:
                data = event.data if event.type == "BOOKMARK" else self._store.mutations.clear(kind, event.data)
                yield WatchEvent(event.type, json.loads(data))

    async def close(self) -> None:
        """Nothing to close."""

    def _target(self, kind: ResourceType, namespace: str | None, name: Any, subresource: Subresource = "") -> Target:
        self._store.check_kind(kind)
        if not isinstance(name, str) or not name:
            raise BadRequest("metadata.name is needed")
        return Target(kind, namespace_of(kind, namespace), name, subresource)


def _query(kind: ResourceType, namespace: str | None, labels: str, fields: str) -> Query:
    return Query(kind, namespace if kind.namespaced else None, parse_selector(kind, labels, fields))
