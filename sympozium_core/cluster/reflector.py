"""Follows all objects of a kind for as long as it is asked to: list, watch, and list again when the watch cannot go on.

What comes out is one clean stream for a cache: nothing twice, nothing missed; what vanished while nobody looked is DELETED, and an
object that was made again under its old name is DELETED and ADDED.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from sympozium_core.contracts.cluster import ApiError, Cluster, Gone, Object, ResourceType, WatchEvent, metadata

logger = logging.getLogger(__name__)

PAGE = 500
WATCH_SECONDS = (300.0, 600.0)
"""A watch is renewed after a time drawn from here, so that many clients do not come back at once."""
FIRST_BACK_OFF = 0.2
LONGEST_BACK_OFF = 30.0

ObjectKey = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""


@dataclass(frozen=True)
class Change:
    """SYNCED (with an empty object) follows each complete list: from here on the stream holds everything there is.

    A DELETED that was found out by a list carries only apiVersion, kind, name, namespace and uid.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]
    object: Object


class _Known(NamedTuple):
    uid: str
    version: str


class Reflector:
    def __init__(
        self,
        cluster: Cluster,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        failed: Callable[[ApiError], None] | None = None,
    ) -> None:
        """`failed` hears of each error that is about to be tried over."""
        self._cluster = cluster
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._failed = failed
        self._known: dict[ObjectKey, _Known] = {}
        self._version = ""
        self._back_off = FIRST_BACK_OFF

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Without end; close it to stop. Errors of the server are tried over, with back-off; nothing is raised."""
        while True:
            try:
                if not self._version:
                    async with contextlib.aclosing(self._list()) as listed:
                        async for change in listed:
                            yield change
                heard = False
                async with contextlib.aclosing(self._watch()) as events:
                    async for event in events:
                        heard = True
                        self._back_off = FIRST_BACK_OFF
                        for change in self._taken(event):
                            yield change
                if not heard:  # a server on its way out ends watches as fast as they come
                    await self._rest()
            except Gone as error:
                logger.debug("%s: the watch is too old, listing again: %s", self._kind.resource, error)
                self._version = ""
                await self._pause(error)
            except ApiError as error:
                logger.warning("%s: %s; trying again", self._kind.resource, error)
                await self._pause(error)

    async def _list(self) -> AsyncGenerator[Change, None]:
        seen: set[ObjectKey] = set()
        token = ""
        while True:
            page = await self._cluster.list(
                self._kind, self._namespace, labels=self._labels, fields=self._fields, limit=PAGE, continue_token=token
            )
            for obj in page.items:
                seen.add(_key(obj))
                for change in self._present(obj):
                    yield change
            token = page.continue_token
            if not token:
                break
        for key in [key for key in self._known if key not in seen]:
            yield self._vanished(key)
        self._version = page.resource_version
        yield Change("SYNCED", {})

    def _watch(self) -> AsyncGenerator[WatchEvent, None]:
        events = self._cluster.watch(
            self._kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
            fields=self._fields,
            timeout=random.uniform(*WATCH_SECONDS),
        )
        return cast(AsyncGenerator[WatchEvent, None], events)

    def _taken(self, event: WatchEvent) -> list[Change]:
        self._version = str(metadata(event.object).get("resourceVersion") or self._version)
        if event.type == "BOOKMARK":
            return []
        if event.type == "DELETED":
            known = self._known.pop(_key(event.object), None)
            return [] if known is None else [Change("DELETED", event.object)]
        return self._present(event.object)

    def _present(self, obj: Object) -> list[Change]:
        """What it means that `obj` is there now."""
        meta: dict[str, Any] = metadata(obj)
        key, fresh = _key(obj), _Known(str(meta.get("uid")), str(meta.get("resourceVersion")))
        old = self._known.get(key)
        if old == fresh:
            return []
        changes: list[Change] = []
        if old is not None and old.uid != fresh.uid:
            changes.append(self._vanished(key))
            old = None
        self._known[key] = fresh
        return [*changes, Change("ADDED" if old is None else "MODIFIED", obj)]

    def _vanished(self, key: ObjectKey) -> Change:
        meta = {"namespace": key[0], "name": key[1], "uid": self._known.pop(key).uid}
        if not key[0]:
            del meta["namespace"]
        return Change("DELETED", {"apiVersion": self._kind.api_version, "kind": self._kind.kind, "metadata": meta})

    async def _pause(self, error: ApiError) -> None:
        if self._failed is not None:
            self._failed(error)
        await self._rest()

    async def _rest(self) -> None:
        await asyncio.sleep(self._back_off * random.uniform(0.5, 1.0))
        self._back_off = min(LONGEST_BACK_OFF, self._back_off * 2)


def _key(obj: Object) -> ObjectKey:
    meta = metadata(obj)
    return str(meta.get("namespace") or ""), str(meta.get("name") or "")
