"""Every write: from what the caller sent, through the rules and admission, to a revision on the disk.

One write at a time works on one object (`KeyLocks`), so what admission judged is what is stored, and a patch never has to be tried
again. Reads go on meanwhile and see the old state until the new one is durable.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sympozium_core.clock import Clock, rfc3339
from sympozium_core.contracts.cluster import (
    Admission,
    AlreadyExists,
    BadRequest,
    NotFound,
    Object,
    Propagation,
    ResourceType,
    Review,
    TooLarge,
    User,
    metadata,
)
from sympozium_core.embedded import objects
from sympozium_core.embedded.entries import Cache, Change, Entry, Key, Revision, dump, key_of, make_entry
from sympozium_core.embedded.keylocks import KeyLocks
from sympozium_core.embedded.namespaces import NAMESPACE, check_deletable, check_open, implied, terminating
from sympozium_core.embedded.sealing import Sealer, is_secret, normalised
from sympozium_core.embedded.transactions import Revisions
from sympozium_core.embedded.validation import check_deleting, check_metadata
from sympozium_core.embedded.writer import Writer

MAX_OBJECT = 1536 * 1024
"""Largest object in bytes of JSON: what etcd takes."""
GENERATED_TRIES = 8
SYSTEM = User("system:apiserver", ("system:masters",))

Subresource = Literal["", "status"]


@dataclass(frozen=True)
class Caller:
    """Who writes, and where the warnings of admission go."""

    user: User
    warn: Callable[[str], None] | None = None


class Target(NamedTuple):
    """The object that a write is about. `namespace` is empty for cluster-scoped kinds."""

    kind: ResourceType
    namespace: str
    name: str
    subresource: Subresource = ""

    @property
    def key(self) -> Key:
        return Key(self.kind.resource, self.namespace, self.name)


class Deleted(NamedTuple):
    object: Object
    removed: bool
    """False when finalizers hold the object."""


class Mutations:
    def __init__(self, cache: Cache, writer: Writer[Revisions, None], sealer: Sealer, clock: Clock, revision: int) -> None:
        self.admission: Admission | None = None
        self._cache = cache
        self._writer = writer
        self._sealer = sealer
        self._clock = clock
        self._revision = revision
        self._locks = KeyLocks()

    def clear(self, kind: ResourceType, data: bytes) -> bytes:
        """The text of a stored object as readers get it."""
        return self._sealer.open(data) if is_secret(kind) else data

    async def create(self, caller: Caller, kind: ResourceType, obj: Object, *, dry_run: bool = False) -> Object:
        wanted = objects.addressed(kind, obj)
        if metadata(wanted).get("resourceVersion"):
            raise BadRequest("resourceVersion should not be set on objects to be created")
        generated = not metadata(wanted).get("name") and bool(metadata(wanted).get("generateName"))
        for attempt in range(GENERATED_TRIES):
            candidate = objects.named(wanted)
            check_metadata(kind, candidate)
            await self._open_namespace(candidate["metadata"].get("namespace", ""))
            try:
                return await self._create(caller, kind, candidate, dry_run)
            except AlreadyExists:
                if not generated or attempt == GENERATED_TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def _create(self, caller: Caller, kind: ResourceType, obj: Object, dry_run: bool) -> Object:
        key = key_of(kind, obj)
        async with self._locks.hold(key):
            if self._cache.get(key) is not None:
                raise AlreadyExists(f'{kind.resource} "{key.name}" already exists')
            moment = self._clock.now()
            uid, now = objects.new_uid(moment), rfc3339(moment)
            fresh = objects.created(kind, self._stored_form(kind, obj, None), uid=uid, now=now)
            reviewed = await self._review(caller, Target(kind, key.namespace, key.name), "CREATE", fresh, None, dry_run)
            if reviewed is not fresh:
                objects.check_address(reviewed, fresh)
                fresh = objects.created(kind, self._stored_form(kind, reviewed, None), uid=uid, now=now)
                check_metadata(kind, fresh)
            return await self._store(kind, "ADDED", fresh, None, dry_run)

    async def replace(self, caller: Caller, target: Target, obj: Object, *, dry_run: bool = False) -> Object:
        objects.check_versioned(target.kind, obj)
        return await self.update(caller, target, lambda old: objects.replacing(target.kind, obj, old), dry_run=dry_run)

    async def update(
        self, caller: Caller, target: Target, change: Callable[[Object], Any], *, dry_run: bool = False, admit: bool = True
    ) -> Object:
        """Puts what `change` makes of the object in its place. `change` must not alter its argument."""
        kind = target.kind
        if target.subresource and not kind.status:
            raise NotFound(f"{kind.resource} has no subresource {target.subresource!r}")
        async with self._locks.hold(target.key):
            entry = self._existing(target)
            old: Object = json.loads(self.clear(kind, entry.data))
            wanted = objects.addressed(kind, change(old))
            objects.check_address(wanted, old)
            objects.check_version(kind, old, str(metadata(wanted).get("resourceVersion") or ""))
            fresh = self._merged(target, wanted, old)
            if objects.same(fresh, old):
                return old
            if admit:
                reviewed = await self._review(caller, target, "UPDATE", fresh, old, dry_run)
                if reviewed is not fresh:
                    objects.check_address(reviewed, old)
                    fresh = self._merged(target, reviewed, old)
            check_metadata(kind, fresh)
            check_deleting(kind, fresh, old)
            released = entry.deleting and not fresh["metadata"].get("finalizers") and not self._held(kind, entry)
            return await self._store(kind, "DELETED" if released else "MODIFIED", fresh, entry, dry_run)

    async def delete(
        self,
        caller: Caller,
        target: Target,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = "Background",
        dry_run: bool = False,
    ) -> Deleted:
        kind = target.kind
        if propagation not in ("Background", "Foreground", "Orphan"):
            raise BadRequest(
                f"invalid propagation policy {str(propagation)[:50]!r}", hint="use Background, Foreground or Orphan"
            )
        async with self._locks.hold(target.key):
            entry = self._existing(target)
            old: Object = json.loads(self.clear(kind, entry.data))
            objects.check_uid(kind, old, uid)
            objects.check_version(kind, old, resource_version)
            check_deletable(kind, target.name)
            await self._review(caller, target, "DELETE", None, old, dry_run)
            finalizers = objects.deletion_finalizers(old, propagation)
            if not finalizers and not self._held(kind, entry):
                return Deleted(await self._store(kind, "DELETED", old, entry, dry_run), True)
            fresh = objects.marked_deleting(old, finalizers, now=rfc3339(self._clock.now()))
            fresh = terminating(fresh) if kind.resource == NAMESPACE.resource else fresh
            if objects.same(fresh, old):
                return Deleted(old, False)
            return Deleted(await self._store(kind, "MODIFIED", fresh, entry, dry_run), False)

    async def remove(self, kind: ResourceType, entry: Entry) -> None:
        """The store's own removal of an object that nothing holds: an Event out of time, a Namespace that is empty now."""
        async with self._locks.hold(entry.key):
            now = self._cache.get(entry.key)
            if now is not None and now.uid == entry.uid and not now.finalizers and not self._held(kind, now):
                await self._store(kind, "DELETED", json.loads(self.clear(kind, now.data)), now, False)

    def _existing(self, target: Target) -> Entry:
        entry = self._cache.get(target.key)
        if entry is None:
            raise NotFound(f'{target.kind.resource} "{target.name[:260]}" not found')
        return entry

    def _merged(self, target: Target, wanted: Object, old: Object) -> Object:
        if target.subresource:
            return objects.status_updated(wanted, old)
        return objects.updated(target.kind, self._stored_form(target.kind, wanted, old), old)

    def _stored_form(self, kind: ResourceType, obj: Object, old: Object | None) -> Object:
        return normalised(kind, obj, old) if is_secret(kind) else obj

    def _held(self, kind: ResourceType, entry: Entry) -> bool:
        """A namespace stays until it is empty."""
        return kind.resource == NAMESPACE.resource and self._cache.namespace_used(entry.key.name)

    async def _open_namespace(self, namespace: str) -> None:
        """Namespaces need not be made: one that is named comes to be. Raises Forbidden for one on its way out."""
        if namespace and check_open(namespace, self._cache.get(Key(NAMESPACE.resource, "", namespace))):
            obj = implied(namespace)
            try:
                await self._create(Caller(SYSTEM), NAMESPACE, objects.addressed(NAMESPACE, obj), False)
            except AlreadyExists:
                return

    async def _review(
        self, caller: Caller, target: Target, operation: Literal["CREATE", "UPDATE", "DELETE"], obj: Object | None,
        old: Object | None, dry_run: bool,
    ) -> Object:  # fmt: skip
        """The object to store. Raises Invalid or Forbidden with every cause; warnings go to the caller."""
        if self.admission is None:
            return obj or {}
        given = None if obj is None else json.loads(dump(obj))
        review = Review(
            operation, target.kind, target.namespace or None, target.name, caller.user, given, old, target.subresource, dry_run
        )
        verdict = await self.admission.review(review)
        for warning in verdict.warnings:
            if caller.warn is not None:
                caller.warn(warning)
        refusal = verdict.refusal(target.kind, target.name)
        if refusal is not None:
            raise refusal
        return (obj or {}) if verdict.object is None else objects.addressed(target.kind, verdict.object)

    async def _store(self, kind: ResourceType, change: Change, obj: Object, old: Entry | None, dry_run: bool) -> Object:
        """Commits one revision. Between taking its number and queueing it nothing else runs, so numbers commit in order."""
        if dry_run:
            _check_size(dump(obj))
            return (
                obj
                if old is not None
                else {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}}
            )
        self._revision += 1
        fresh = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._revision)}}
        text = dump(fresh)
        _check_size(text)
        data = dump(self._sealer.seal(fresh)) if is_secret(kind) else text
        entry = make_entry(kind, fresh, data, revision=self._revision, written=self._clock.now())
        await self._writer.submit([Revision(change, entry, None if old is None else old.traits)])
        stored: Object = json.loads(text)
        return stored


def _check_size(text: bytes) -> None:
    if len(text) > MAX_OBJECT:
        raise TooLarge(f"the object has {len(text)} bytes; the most allowed is {MAX_OBJECT}", hint="move long values elsewhere")
