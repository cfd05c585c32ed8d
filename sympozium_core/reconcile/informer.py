"""A shared cache of one kind that follows the cluster, with handlers that are told of each change.

How it follows (list, watch, list again) is the reflector's affair (`cluster/reflector.py`); what is held and told is this one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from sympozium_core.backoff import BackOff
from sympozium_core.cluster.reflector import Change, Reflector, version_number
from sympozium_core.contracts.cluster import Cluster, ResourceType
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.cache import Cache, IndexFunction, View
from sympozium_core.reconcile.key import key_of

Handler = Callable[[View | None, View | None], None]
"""Called with (old, new) for each change: (None, new) when it appears, (old, None) when it is gone. Quick, and never awaits."""

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
        fields: str = "",
        indexes: Mapping[str, IndexFunction] | None = None,
        back_off: BackOff | None = None,
        watch_seconds: float = 300.0,
    ) -> None:
        self.kind = kind
        self.cache = Cache(indexes)
        self.synced = asyncio.Event()
        """Set when the first list is in the cache and every handler has been told of it."""
        self._reflector = Reflector(
            cluster,
            kind,
            namespace,
            labels=labels,
            fields=fields,
            bookmarks=True,
            back_off=back_off,
            watch_seconds=watch_seconds,
        )
        self._handlers: list[Handler] = []
        self._version = ""
        self._seen = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def problem(self) -> str:
        """Why the cache is behind at present; empty while it follows."""
        return self._reflector.problem

    @property
    def lists(self) -> int:
        """How many lists were complete."""
        return self._reflector.lists

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
        async with contextlib.aclosing(self._reflector.changes()) as changes:
            async for change in changes:
                self._apply(change)

    def _apply(self, change: Change) -> None:
        if change.type == "SYNCED":
            self._seen = 0  # a cluster that was restored from a backup counts from an earlier version
        elif change.type == "DELETED":
            self._changed(self.cache.remove(key_of(change.object)), None)
        elif change.type != "BOOKMARK":
            self._changed(self.cache.put(change.object), change.object)
        if change.version:
            self._advance(change.version)
        if change.type == "SYNCED":
            self.synced.set()

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
        self._seen = max(self._seen, version_number(version))
        for wanted, turn in self._waiting:
            if wanted <= self._seen and not turn.done():
                turn.set_result(None)
