"""The object store: SQLite underneath, the newest state in memory, the Kubernetes API on top.

Open it only while holding the data directory (`lock.DataDir`). It belongs to the event loop that opened it: reads are answered from
memory at once, writes go through one thread (`writer.Writer`) and return when they are on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import apsw

from sympozium_core.clock import Clock, SystemClock
from sympozium_core.contracts.cluster import Admission, BadRequest, NotFound, ResourceType, User
from sympozium_core.embedded import database
from sympozium_core.embedded.entries import Cache, Entry, Key, Revision
from sympozium_core.embedded.expiry import Expiry
from sympozium_core.embedded.garbage import GarbageCollector
from sympozium_core.embedded.keylocks import Commit
from sympozium_core.embedded.mutations import SYSTEM, Caller, Mutations
from sympozium_core.embedded.namespaces import BUILT_IN, NAMESPACE, implied, namespace_of
from sympozium_core.embedded.paging import Page, Pager
from sympozium_core.embedded.sealing import Sealer
from sympozium_core.embedded.transactions import Revisions, StoreTransactions
from sympozium_core.embedded.view import StoreView
from sympozium_core.embedded.watches import Query, RawEvent, WatchHub
from sympozium_core.embedded.writer import Writer

KEY_SUFFIX = ".key"


@dataclass(frozen=True)
class StoreOptions:
    log_window: int = 10_000
    """Revisions that a watch can resume over; older ones are compacted away."""
    event_seconds: float = 3600.0
    """How long an Event is kept."""
    bookmark_seconds: float = 30.0
    """How often a quiet watch says how far it is."""


DEFAULT_OPTIONS = StoreOptions()


class Store:
    """Made by `open`. Callers work on a view for their user (`as_user`)."""

    def __init__(
        self, path: Path, connection: apsw.Connection, kinds: dict[str, ResourceType], clock: Clock, options: StoreOptions
    ):
        self.kinds = kinds
        self.cache = Cache()
        for entry in database.load(connection, kinds):
            self.cache.add(entry)
        revision = database.last_revision(connection)
        self._path = path
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reading: apsw.Connection | None = None
        self._hub = WatchHub(self._read_log, revision, options.bookmark_seconds)
        transactions = StoreTransactions(path, connection, options.log_window)
        self._writer = Writer(transactions, self._committed, future=Commit)
        sealer = Sealer(path.with_suffix(KEY_SUFFIX), may_create=lambda: not self.cache.entries("secrets"))
        self.mutations = Mutations(self.cache, self._writer, sealer, clock, revision)
        self._pager = Pager(clock)
        self._garbage = GarbageCollector(self.cache, self.mutations, kinds)
        events = [kind for kind in kinds.values() if kind.kind == "Event"]
        self.expiry = Expiry(self.cache, self.mutations, events, clock, options.event_seconds)
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path | str,
        *,
        kinds: Iterable[ResourceType],
        admission: Admission | None = None,
        clock: Clock | None = None,
        options: StoreOptions = DEFAULT_OPTIONS,
    ) -> Store:
        """Opens or makes the database file `path`; the key of its Secrets lies beside it, as ``<name>.key``.

        Kinds that are not in `kinds` stay in the file untouched. Raises Unavailable.
        """
        known = {kind.resource: kind for kind in (NAMESPACE, *kinds)}
        connection = database.connect(Path(path))
        try:
            database.prepare(connection)
            store = cls(Path(path), connection, known, clock or SystemClock(), options)
        except BaseException:
            connection.close()
            raise
        try:
            for name in BUILT_IN:
                if store.cache.get(Key(NAMESPACE.resource, "", name)) is None:
                    await store.mutations.create(Caller(SYSTEM), NAMESPACE, implied(name))
            store.mutations.admission = admission
            store._garbage.start()
            store.expiry.start()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Ends the watches, then everything else. What was queued is committed. May be called again."""
        if self._closed:
            return
        self._closed = True
        self._hub.close()
        await self.expiry.close()
        await self._garbage.close()
        await self._writer.close()
        await asyncio.to_thread(self._close_reader)

    def use_admission(self, admission: Admission | None) -> None:
        """Admission that itself reads this store can only be made after it."""
        self.mutations.admission = admission

    def as_user(self, user: User, warn: Callable[[str], None] | None = None) -> StoreView:
        """The cluster port for one user. `warn` gets each warning of admission (``Warnings().texts.append``)."""
        return StoreView(self, Caller(user, warn))

    @property
    def revision(self) -> int:
        """The newest committed number."""
        return self._hub.revision

    def check_kind(self, kind: ResourceType) -> None:
        if self.kinds.get(kind.resource) is None or self.kinds[kind.resource].version != kind.version:
            raise NotFound(f"the server has no resource {kind.resource} in {kind.api_version}")

    def read(self, kind: ResourceType, namespace: str | None, name: str) -> bytes:
        """One object as JSON text. Raises NotFound."""
        self.check_kind(kind)
        entry = self.cache.get(Key(kind.resource, namespace_of(kind, namespace), name))
        if entry is None:
            raise NotFound(f'{kind.resource} "{name[:260]}" not found')
        return self.mutations.clear(kind, entry.data)

    def page(self, query: Query, *, limit: int = 0, token: str = "") -> Page:
        """Objects in stored form (`mutations.clear` opens them), all of one moment. Raises BadRequest, Gone."""
        self.check_kind(query.kind)
        if limit < 0:
            raise BadRequest(f"limit must not be negative, it is {limit}")
        if token:
            return self._pager.next(query, token, limit)
        return self._pager.first(query, self._selected(query), self.revision, limit)

    async def follow(self, query: Query, resource_version: str, *, timeout: float = 0) -> AsyncGenerator[RawEvent, None]:
        """Events in stored form. Without a version, or from "0", the present objects come first. Raises BadRequest, Gone."""
        self.check_kind(query.kind)
        if resource_version in ("", "0"):
            events = self._hub.follow(query, self.revision, timeout=timeout, initial=self._selected(query))
        else:
            events = self._hub.follow(query, parse_version(resource_version), timeout=timeout)
        async with contextlib.aclosing(events) as closing:
            async for event in closing:
                yield event

    def _selected(self, query: Query) -> list[Entry]:
        found = self.cache.entries(query.kind.resource, query.namespace)
        return found if query.selector.empty else [entry for entry in found if query.selects(entry.traits)]

    def _committed(self, written: Sequence[tuple[Revisions, None]]) -> None:
        for revisions, _ in written:
            for revision in revisions:
                old = self.cache.get(revision.entry.key)
                self.cache.apply(revision)
                self._hub.publish(revision)
                self._garbage.notice(revision, old)

    async def _read_log(self, kind: ResourceType, after: int, until: int) -> tuple[list[Revision], int]:
        return await asyncio.get_running_loop().run_in_executor(self._reader, partial(self._read_log_here, kind, after, until))

    def _read_log_here(self, kind: ResourceType, after: int, until: int) -> tuple[list[Revision], int]:
        if self._reading is None:
            self._reading = database.connect(self._path)
        return database.read_log(self._reading, kind, after, until)

    def _close_reader(self) -> None:
        self._reader.submit(self._drop_reading).result()
        self._reader.shutdown()

    def _drop_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()


def parse_version(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadRequest(f"invalid resource version {text[:50]!r}", hint="use one that the server gave")
    return int(text)
