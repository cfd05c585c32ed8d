"""Garbage collection by owner references, as the Kubernetes garbage collector does it (pkg/controller/garbagecollector).

Works from the committed state alone: what changed says only which keys to look at, so after a crash a look at every owned or
deleting object takes up where the last process stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from sympozium_core.contracts.cluster import ApiError, Conflict, NotFound, Object, Propagation, ResourceType, User, metadata
from sympozium_core.embedded.entries import FOREGROUND, ORPHAN, Cache, Entry, Key, Owner, Revision
from sympozium_core.embedded.mutations import Caller, Mutations, Target
from sympozium_core.embedded.namespaces import NAMESPACE

logger = logging.getLogger(__name__)

WORKERS = 8
RETRY_SECONDS = 1.0
COLLECTOR = Caller(User("system:serviceaccount:kube-system:generic-garbage-collector", ("system:masters",)))


class GarbageCollector:
    def __init__(self, cache: Cache, mutations: Mutations, kinds: Mapping[str, ResourceType]) -> None:
        self._cache = cache
        self._mutations = mutations
        self._kinds = kinds
        self._by_type = {(kind.api_version, kind.kind): kind for kind in kinds.values()}
        self._queue: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for entry in self._cache.everything():
            self._look(entry)
        self._tasks = [asyncio.create_task(self._work(), name=f"garbage-{number}") for number in range(WORKERS)]

    async def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def notice(self, revision: Revision, old: Entry | None) -> None:
        """Called with every committed revision, and the state before it."""
        entry = revision.entry
        for owner in old.owners if old else ():  # it may have stopped to block its owner's deletion
            self._enqueue_if_waiting(owner)
        if revision.change != "DELETED":
            self._look(entry)
            return
        for dependent in self._cache.dependents(entry.uid):
            self._enqueue(dependent.key)
        if entry.key.namespace:
            self._enqueue_terminating(entry.key.namespace)

    def _look(self, entry: Entry) -> None:
        if entry.owners or (entry.deleting and (entry.finalizers or entry.key.resource == NAMESPACE.resource)):
            self._enqueue(entry.key)

    def _enqueue_if_waiting(self, owner: Owner) -> None:
        found = self._cache.by_uid(owner.uid)
        if found is not None and _in_foreground(found):
            self._enqueue(found.key)

    def _enqueue_terminating(self, namespace: str) -> None:
        found = self._cache.get(Key(NAMESPACE.resource, "", namespace))
        if found is not None and found.deleting and not self._cache.namespace_used(namespace):
            self._enqueue(found.key)

    def _enqueue(self, key: Key) -> None:
        if key not in self._waiting:
            self._waiting.add(key)
            self._queue.put_nowait(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._waiting.discard(key)
            try:
                await self._process(key)
            except (NotFound, Conflict):
                self._again(key, 0.05)
            except ApiError as error:
                logger.warning("garbage collection of %s %s/%s waits: %s", *key, error)
                self._again(key, RETRY_SECONDS)
            except Exception:  # a bug here must not end collection for everybody else
                logger.exception("garbage collection of %s %s/%s failed", *key)
                self._again(key, 30 * RETRY_SECONDS)

    def _again(self, key: Key, seconds: float) -> None:
        def enqueue() -> None:
            self._timers.pop(key, None)
            self._enqueue(key)

        if key not in self._timers:
            self._timers[key] = asyncio.get_running_loop().call_later(seconds, enqueue)

    async def _process(self, key: Key) -> None:
        entry = self._cache.get(key)
        kind = self._kinds.get(key.resource)
        if entry is None or kind is None:
            return
        if entry.deleting:
            if kind.resource == NAMESPACE.resource:
                await self._empty_namespace(kind, entry)
            if ORPHAN in entry.finalizers:
                await self._orphan(kind, entry)
            elif FOREGROUND in entry.finalizers:
                await self._foreground(kind, entry)
        elif entry.owners:
            await self._owned(kind, entry)

    async def _owned(self, kind: ResourceType, entry: Entry) -> None:
        """Collects `entry` unless an owner lives that wants it."""
        gone = [owner for owner in entry.owners if self._absent(kind, entry, owner)]
        waiting = [owner for owner in entry.owners if owner not in gone and self._leaves(owner)]
        if len(gone) + len(waiting) < len(entry.owners):
            if gone or waiting:
                await self._drop_owners(kind, entry, {owner.uid for owner in (*gone, *waiting)})
            return
        if waiting and self._cache.dependents(entry.uid):
            propagation: Propagation = "Foreground"
        else:
            propagation = (
                "Orphan" if ORPHAN in entry.finalizers else "Foreground" if FOREGROUND in entry.finalizers else "Background"
            )
        await self._delete(kind, entry, propagation)

    def _absent(self, kind: ResourceType, entry: Entry, owner: Owner) -> bool:
        """True when the owner is known not to exist. A kind that is not stored here cannot be looked up, so it counts as alive."""
        owner_kind = self._by_type.get((owner.api_version, owner.kind))
        if owner_kind is None or (owner_kind.namespaced and not kind.namespaced):
            return False
        key = Key(owner_kind.resource, entry.key.namespace if owner_kind.namespaced else "", owner.name)
        found = self._cache.get(key)
        return found is None or found.uid != owner.uid

    def _leaves(self, owner: Owner) -> bool:
        found = self._cache.by_uid(owner.uid)
        return found is not None and _in_foreground(found)

    async def _foreground(self, kind: ResourceType, entry: Entry) -> None:
        """Deletes the dependents, and lets `entry` go when none is left that blocks."""
        dependents = self._cache.dependents(entry.uid)
        blocking = [one for one in dependents if any(owner.uid == entry.uid and owner.blocking for owner in one.owners)]
        if not blocking:
            await self._drop_finalizer(kind, entry, FOREGROUND)
        for dependent in dependents:
            if not dependent.deleting:
                self._enqueue(dependent.key)
            elif _in_foreground(dependent) and any(owner.uid == dependent.uid for owner in entry.owners):
                await self._drop_owners(self._kinds[dependent.key.resource], dependent, {entry.uid})  # they own each other

    async def _orphan(self, kind: ResourceType, entry: Entry) -> None:
        for dependent in self._cache.dependents(entry.uid):
            await self._drop_owners(self._kinds[dependent.key.resource], dependent, {entry.uid})
        await self._drop_finalizer(kind, entry, ORPHAN)

    async def _empty_namespace(self, kind: ResourceType, entry: Entry) -> None:
        for held in self._cache.in_namespace(entry.key.name):
            if not held.deleting:
                await self._delete(self._kinds[held.key.resource], held, "Background")
        if not self._cache.namespace_used(entry.key.name):
            await self._mutations.remove(kind, entry)

    async def _delete(self, kind: ResourceType, entry: Entry, propagation: Propagation) -> None:
        try:
            version = str(entry.revision)  # what was judged is what is deleted: owners may have been added since
            await self._mutations.delete(
                COLLECTOR, _target(kind, entry), uid=entry.uid, resource_version=version, propagation=propagation
            )
        except NotFound:
            return

    async def _drop_owners(self, kind: ResourceType, entry: Entry, uids: set[str]) -> None:
        def change(old: Object) -> Object:
            kept = [one for one in metadata(old).get("ownerReferences") or () if one["uid"] not in uids]
            return _with(old, "ownerReferences", kept)

        await self._update(kind, entry, change)

    async def _drop_finalizer(self, kind: ResourceType, entry: Entry, finalizer: str) -> None:
        def change(old: Object) -> Object:
            kept = [one for one in metadata(old).get("finalizers") or () if one != finalizer]
            return _with(old, "finalizers", kept)

        await self._update(kind, entry, change)

    async def _update(self, kind: ResourceType, entry: Entry, change: Callable[[Object], Object]) -> None:
        def guarded(old: Object) -> Object:
            return change(old) if metadata(old)["uid"] == entry.uid else old

        try:
            await self._mutations.update(COLLECTOR, _target(kind, entry), guarded)
        except NotFound:
            return


def _target(kind: ResourceType, entry: Entry) -> Target:
    return Target(kind, entry.key.namespace, entry.key.name)


def _in_foreground(entry: Entry) -> bool:
    return entry.deleting and FOREGROUND in entry.finalizers


def _with(obj: Object, field: str, value: list[object]) -> Object:
    meta = {key: old for key, old in obj["metadata"].items() if key != field}
    return {**obj, "metadata": {**meta, field: value} if value else meta}
