"""A shared cache of one kind that follows the cluster: list once, watch from there, list again when the history is gone.

Method: Kubernetes API concepts, "Efficient detection of changes" (https://kubernetes.io/docs/reference/using-api/api-concepts/).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

from sympozium_core.contracts.cluster import ApiError, Cluster, Gone, Object, ResourceType, WatchEvent, metadata
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.backoff import Attempts, BackOff
from sympozium_core.reconcile.cache import Cache, IndexFunction, View, version_of
from sympozium_core.reconcile.key import key_of

Handler = Callable[[View | None, View | None], None]
"""Called with (old, new) for each change: (None, new) when it appears, (old, None) when it is gone. Quick, and never awaits."""

PAGE = 500
SHORTEST_WATCH = 1.0
WATCH_FAILURES = 5
log = logging.getLogger(__name__)


class Informer:
    """Run `run` once, as a task. Everything else may be called before and after, from the same event loop.

    A deletion is never lost: what a new list does not have any more is told as gone, and what has another UID is told as gone and new.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        indexes: Mapping[str, IndexFunction] | None = None,
        back_off: BackOff | None = None,
        watch_seconds: float = 300.0,
    ) -> None:
        self.kind = kind
        self.cache = Cache(indexes)
        self.synced = asyncio.Event()
        """Set when the first list is in the cache and every handler has been told of it."""
        self.problem = ""
        """Why the cache is behind at present; empty while it follows."""
        self.lists = 0
        self._cluster = cluster
        self._namespace = namespace
        self._labels = labels
        self._attempts = Attempts(back_off or BackOff(first=0.05, longest=30.0))
        self._watch_seconds = watch_seconds
        self._handlers: list[Handler] = []
        self._version = ""
        self._seen = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def resource_version(self) -> str:
        """How far the cache is; empty before the first list."""
        return self._version

    def on_change(self, handler: Handler) -> Callable[[], None]:
        """Adds a handler, tells it at once of what is known, and returns a function that removes it."""
        self._handlers.append(handler)
        for obj in self.cache.all():
            self._tell(handler, None, obj)
        return lambda: self._handlers.remove(handler) if handler in self._handlers else None

    async def wait_until(self, resource_version: str, timeout: float = 10.0) -> None:
        """Returns when the cache has seen this version, for one who has just written and will read. Raises Temporary after `timeout` seconds.

        With a label selector, a write that the selector leaves out is seen only at the next bookmark.
        """
        wanted = int(resource_version)
        if self._seen >= wanted:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        try:
            async with asyncio.timeout(timeout):
                await turn
        except TimeoutError as error:
            behind = f"the cache of {self.kind.plural} has seen version {self._seen}, not {wanted}, after {timeout:g} s"
            raise Temporary(behind + (f": {self.problem}" if self.problem else "")) from error
        finally:
            self._waiting = [each for each in self._waiting if each[1] is not turn]

    async def run(self) -> None:
        """Follows the cluster until cancelled; survives every failure of it."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
                continue
            except Gone as error:
                self._version = ""
                log.info("watch of %s: %s; listing again", self.kind.plural, error)
            except ApiError as error:
                self._trouble(str(error))
            except Exception as error:
                log.exception("watch of %s failed", self.kind.plural)
                self._trouble(f"{type(error).__name__}: {error}")
            if self._attempts.failures >= WATCH_FAILURES:
                self._version = ""  # perhaps it is the version that the cluster cannot serve
            await asyncio.sleep(self._attempts.failed())

    def _trouble(self, text: str) -> None:
        if text != self.problem:
            log.warning("cannot follow %s: %s; trying again", self.kind.plural, text)
        self.problem = text

    async def _list(self) -> None:
        """Fetches all pages first: a list that breaks in the middle changes nothing."""
        items: list[Object] = []
        version = token = ""
        while True:
            page = await self._cluster.list(self.kind, self._namespace, labels=self._labels, limit=PAGE, continue_token=token)
            items += page.items
            version = version or page.resource_version
            token = page.continue_token
            if not token:
                break
        self.lists += 1
        present = {key_of(obj) for obj in items}
        for key in self.cache.known_keys():
            if key not in present:
                self._changed(self.cache.remove(key), None)
        for obj in items:
            self._put(obj, listed=True)
        self.problem = ""
        self._seen = 0  # a cluster that was restored from a backup counts from an earlier version
        self._advance(version)
        self.synced.set()

    async def _watch(self) -> None:
        """One watch, until it ends. One that ends in less than a second and brought nothing counts as a failure, or this would spin."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        stream = self._cluster.watch(
            self.kind,
            self._namespace,
            resource_version=self._version,
            labels=self._labels,
            timeout=self._watch_seconds * (1 + random.random()),
        )
        received = False
        lasting = loop.call_later(SHORTEST_WATCH, self._well)  # a quiet watch that lasts is well too
        try:
            async for event in stream:
                if not received and event.type != "BOOKMARK":
                    received = True
                    self._well()
                self._apply(event)
        finally:
            lasting.cancel()
            await _close(stream)
        if not received and loop.time() - began < SHORTEST_WATCH:
            await asyncio.sleep(self._attempts.failed())

    def _well(self) -> None:
        self.problem = ""
        self._attempts.succeeded()

    def _apply(self, event: WatchEvent) -> None:
        version = metadata(event.object).get("resourceVersion") or ""
        if event.type == "DELETED":
            key = key_of(event.object)
            before = self.cache.get(key)
            if before is not None and version_of(before) <= version_of(event.object):
                self.cache.remove(key)
                self._changed(before, None)
        elif event.type != "BOOKMARK":
            self._put(event.object)
        if version:
            self._advance(version)

    def _put(self, obj: Object, *, listed: bool = False) -> None:
        """What a watch repeats is dropped by its version; a list is the truth, whatever its versions."""
        obj.setdefault("apiVersion", self.kind.api_version)  # the items of a list come without
        obj.setdefault("kind", self.kind.kind)
        before = self.cache.get(key_of(obj))
        if before is None:
            self.cache.put(obj)
            self._changed(None, obj)
        elif metadata(before).get("uid") != metadata(obj).get("uid"):
            self.cache.remove(key_of(obj))
            self._changed(before, None)
            self.cache.put(obj)
            self._changed(None, obj)
        elif version_of(before) != version_of(obj) if listed else version_of(before) < version_of(obj):
            self.cache.put(obj)
            self._changed(before, obj)

    def _changed(self, old: View | None, new: View | None) -> None:
        for handler in tuple(self._handlers):
            self._tell(handler, old, new)

    def _tell(self, handler: Handler, old: View | None, new: View | None) -> None:
        try:
            handler(old, new)
        except Exception:
            log.exception("a handler of %s failed on %s", self.kind.plural, key_of(new or old or {}))

    def _advance(self, version: str) -> None:
        self._version = version
        self._seen = max(self._seen, int(version) if version.isdigit() else 0)
        for wanted, turn in self._waiting:
            if wanted <= self._seen and not turn.done():
                turn.set_result(None)


async def _close(stream: AsyncIterator[WatchEvent]) -> None:
    """Ends a watch. What goes wrong here must not stand in the place of the cancellation or the error that led here."""
    if isinstance(stream, AsyncGenerator):
        try:
            await stream.aclose()
        except Exception:
            log.exception("a watch could not be closed")
