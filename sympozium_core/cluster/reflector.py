"""Follows all objects of a kind for as long as it is asked to: list, watch, and list again when the watch cannot go on.

What comes out is one clean stream for a cache: nothing twice, nothing missed; what vanished while nobody looked is DELETED, and an
object that was made again under its old name is DELETED and ADDED.

Method: Kubernetes API concepts, "Efficient detection of changes" (https://kubernetes.io/docs/reference/using-api/api-concepts/).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.contracts.cluster import ApiError, Cluster, Gone, Object, ResourceType, WatchEvent, metadata

PAGE = 500
SHORTEST_WATCH = 1.0
"""Seconds. A watch that ends earlier and brought nothing is a failure: a server on its way out ends watches as fast as they come."""
WATCH_FAILURES = 5
log = logging.getLogger(__name__)

ObjectKey = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""


@dataclass(frozen=True)
class Change:
    """SYNCED (with an empty object) follows each complete list: from here on the stream holds everything there is.

    A DELETED that was found out without an event carries only apiVersion, kind, name, namespace and uid. BOOKMARK (with an empty
    object) says that the stream got further without a change. An object is the receiver's own.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED", "SYNCED", "BOOKMARK"]
    object: Object
    version: str = ""
    """How far the stream is with this change; empty while more has to come first, as before SYNCED."""


class _Known(NamedTuple):
    uid: str
    version: int


class Reflector:
    """One reflector gives one stream: `changes` is called once."""

    def __init__(
        self,
        cluster: Cluster,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        bookmarks: bool = False,
        back_off: BackOff | None = None,
        watch_seconds: float = 300.0,
    ) -> None:
        """A watch is renewed after `watch_seconds` to twice that, drawn each time, so that many clients do not come back at once."""
        self.problem = ""
        """Why the stream is behind at present; empty while it follows."""
        self.lists = 0
        """How many lists were complete."""
        self._cluster = cluster
        self._kind = kind
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._bookmarks = bookmarks
        self._attempts = Attempts(back_off or BackOff(first=0.05, longest=30.0))
        self._watch_seconds = watch_seconds
        self._known: dict[ObjectKey, _Known] = {}
        self._version = ""

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Without end; close it to stop. Every failure of the cluster is tried over, with back-off; nothing is raised.

        The changes of one list come without a pause of the event loop between them: nobody else sees half of a list applied.
        """
        while True:
            try:
                if not self._version:
                    items, version = await self._list()
                    for change in self._listed(items, version):
                        yield change
                async with contextlib.aclosing(self._watch()) as watched:
                    async for change in watched:
                        yield change
                continue
            except Gone as error:
                if not self._version:  # it was the list itself
                    self._trouble(str(error))
                self._version = ""
                log.info("watch of %s: %s; listing again", self._kind.plural, error)
            except ApiError as error:
                self._trouble(str(error))
            except Exception as error:
                log.exception("watch of %s failed", self._kind.plural)
                self._trouble(f"{type(error).__name__}: {error}")
            if self._attempts.failures >= WATCH_FAILURES:
                self._version = ""  # perhaps it is the version that the cluster cannot serve
            await asyncio.sleep(self._attempts.failed())

    async def _list(self) -> tuple[list[Object], str]:
        """All pages, and the version of the first: a watch from there repeats what happened while the others were fetched.

        A list that breaks in the middle changes nothing.
        """
        items: list[Object] = []
        version = token = ""
        while True:
            page = await self._cluster.list(
                self._kind, self._namespace, labels=self._labels, fields=self._fields, limit=PAGE, continue_token=token
            )
            items += page.items
            version = version or page.resource_version
            token = page.continue_token
            if not token:
                return items, version

    def _listed(self, items: list[Object], version: str) -> Iterator[Change]:
        """A list is the truth whatever its versions: a cluster that was restored from a backup counts from an earlier one."""
        present = {_key(obj) for obj in items}
        self.lists += 1
        self.problem = ""
        for key in [key for key in self._known if key not in present]:
            yield self._vanished(key)
        for obj in items:
            if self._known.get(_key(obj)) != _known(obj):
                yield from self._present(obj)
        self._version = version
        yield Change("SYNCED", {}, version)

    async def _watch(self) -> AsyncGenerator[Change, None]:
        """One watch, until it ends."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        stream = self._cluster.watch(
            self._kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
            fields=self._fields,
            timeout=self._watch_seconds * (1 + random.random()),
        )
        received = False
        lasting = loop.call_later(SHORTEST_WATCH, self._well)  # a quiet watch that lasts is well too
        try:
            async for event in stream:
                if not received and event.type != "BOOKMARK":
                    received = True
                    self._well()
                for change in self._taken(event):
                    yield change
        finally:
            lasting.cancel()
            await _close(stream)
        if not received and loop.time() - began < SHORTEST_WATCH:
            await asyncio.sleep(self._attempts.failed())

    def _taken(self, event: WatchEvent) -> list[Change]:
        """What a watch repeats, or tells of an earlier time than a list did, is dropped by its version."""
        changes: list[Change] = []
        if event.type != "BOOKMARK":
            key, fresh = _key(event.object), _known(event.object)
            old = self._known.get(key)
            if event.type == "DELETED":
                if old is not None and old.version <= fresh.version:
                    del self._known[key]
                    changes = [Change("DELETED", event.object)]
            elif old is None or old.version < fresh.version:
                changes = list(self._present(event.object))
        version = str(metadata(event.object).get("resourceVersion") or "")
        self._version = version or self._version
        if changes:
            last = changes.pop()
            return [*changes, Change(last.type, last.object, self._version)]
        return [Change("BOOKMARK", {}, self._version)] if self._bookmarks and version else []

    def _present(self, obj: Object) -> Iterator[Change]:
        """What it means that `obj`, which is not what was known, is there now."""
        obj.setdefault("apiVersion", self._kind.api_version)  # the items of a list come without
        obj.setdefault("kind", self._kind.kind)
        key, fresh = _key(obj), _known(obj)
        old = self._known.get(key)
        if old is not None and old.uid != fresh.uid:
            yield self._vanished(key)
            old = None
        self._known[key] = fresh
        yield Change("ADDED" if old is None else "MODIFIED", obj)

    def _vanished(self, key: ObjectKey) -> Change:
        meta = {"namespace": key[0], "name": key[1], "uid": self._known.pop(key).uid}
        if not key[0]:
            del meta["namespace"]
        return Change("DELETED", {"apiVersion": self._kind.api_version, "kind": self._kind.kind, "metadata": meta})

    def _well(self) -> None:
        self.problem = ""
        self._attempts.succeeded()

    def _trouble(self, text: str) -> None:
        if text != self.problem:
            log.warning("cannot follow %s: %s; trying again", self._kind.plural, text)
        self.problem = text


def version_number(version: str) -> int:
    """A resourceVersion as a number; 0 where it is none. Versions of one kind are comparable (Kubernetes KEP-5504; the store's are)."""
    return int(version) if version.isascii() and version.isdigit() else 0


def _key(obj: Object) -> ObjectKey:
    meta = metadata(obj)
    return meta.get("namespace") or "", meta["name"]


def _known(obj: Object) -> _Known:
    meta = metadata(obj)
    return _Known(str(meta.get("uid") or ""), version_number(str(meta.get("resourceVersion") or "")))


async def _close(stream: AsyncIterator[WatchEvent]) -> None:
    """Ends a watch. What goes wrong here must not stand in the place of the cancellation or the error that led here."""
    if isinstance(stream, AsyncGenerator):
        try:
            await stream.aclose()
        except Exception:
            log.exception("a watch could not be closed")
