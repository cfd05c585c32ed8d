"""Calls a reconcile function for each object that changed, until the function says that what is equals what should be.

Driven by state: a reconcile gets a key and reads the rest itself, so that nothing depends on having seen an event. Its contract is that
of controller-runtime (https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/reconcile): one call a key at a time; it returns a `Result`,
raises `Temporary` to be called again, `Permanent` to be left alone until something changes, `Conflict` to read again; anything else is a bug,
logged with its traceback and tried again with back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sympozium_core.backoff import BackOff
from sympozium_core.contracts.cluster import ApiError, Conflict
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.informer import Handler, Informer
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.reconcile.queue import QueueClosed, WorkQueue

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """Done for now. `requeue_after` seconds later the reconcile is called again even if nothing changed; None: not."""

    requeue_after: float | None = None


DONE = Result()
Reconcile = Callable[[Key], Awaitable[Result]]
GaveUp = Callable[[Key, Permanent], Awaitable[None]]


@dataclass(frozen=True)
class Source:
    """Other objects whose changes concern this controller: `keys` maps one to the keys to reconcile, before and after the change."""

    informer: Informer
    keys: Callable[[View], Iterable[Key]]


@dataclass(frozen=True)
class Options:
    workers: int = 4
    back_off: BackOff = field(default_factory=BackOff)
    gave_up: GaveUp | None = None
    """Told of each Permanent, to put it into the object's status. Its own failure is retried like any other."""
    concerns: Callable[[View | None, View | None], bool] | None = None
    """Whether a change (old, new) of the controller's own kind matters; None: every change does."""
    can_wait: Callable[[View], bool] | None = None
    """Whether an object may wait for all others that are to be looked at; None: none may."""
    settle: float = 0.0
    """Seconds for which a change of other objects waits for more of them, so that many cost one reconcile of what they concern."""
    drain: float = 5.0
    """Seconds that reconciles in progress get to end when the controller is cancelled."""


@dataclass
class Counts:
    """Since the start. `reconciles` is the sum of the five that follow it plus those in progress or cancelled."""

    reconciles: int = 0
    done: int = 0
    temporary: int = 0
    permanent: int = 0
    conflicts: int = 0
    failures: int = 0


class Controller:
    """`informer` is of the kind that is reconciled. Informers are run by somebody else; `run` waits until they are in step."""

    def __init__(
        self,
        name: str,
        informer: Informer,
        reconcile: Reconcile,
        *,
        sources: Sequence[Source] = (),
        options: Options | None = None,
    ) -> None:
        self.name = name
        self.counts = Counts()
        self._options = options or Options()
        self.queue: WorkQueue[Key] = WorkQueue(self._options.back_off, can_wait=self._can_wait)
        self._informer = informer
        self._reconcile = reconcile
        self._sources = sources
        self._stopping = False

    async def run(self) -> None:
        """Works until cancelled; then takes no more keys, and cancels reconciles that have not ended after `Options.drain` seconds."""
        remove = [self._informer.on_change(self._own_change)]
        remove += [source.informer.on_change(self._mapped(source)) for source in self._sources]
        workers: list[asyncio.Task[None]] = []
        try:
            for informer in (self._informer, *(source.informer for source in self._sources)):
                await informer.synced.wait()
            workers = [
                asyncio.create_task(self._work(), name=f"controller {self.name} worker {number}")
                for number in range(self._options.workers)
            ]
            ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)  # unlike gather, leaves them running
            for worker in ended:
                worker.result()
        finally:
            for each in remove:
                each()
            self._stopping = True
            self.queue.close()
            await self._end(workers)

    def enqueue(self, key: Key, after: float = 0.0) -> None:
        """Asks for a reconcile, for a reason that no informer sees (a message, a process that ended)."""
        self.queue.add_after(key, after)

    async def _end(self, workers: list[asyncio.Task[None]]) -> None:
        if not workers:
            return
        try:
            await asyncio.wait(workers, timeout=self._options.drain)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)

    def _own_change(self, old: View | None, new: View | None) -> None:
        concerns = self._options.concerns
        if concerns is None or concerns(old, new):
            self.queue.add(key_of(new if new is not None else old or {}))

    def _can_wait(self, key: Key) -> bool:
        if self._options.can_wait is None:
            return False
        found = self._informer.cache.get(key)
        return found is not None and self._options.can_wait(found)

    def _mapped(self, source: Source) -> Handler:
        def changed(old: View | None, new: View | None) -> None:
            for obj in (old, new):
                for key in source.keys(obj) if obj is not None else ():
                    self.queue.add_after(key, self._options.settle)

        return changed

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueClosed:
                return
            try:
                if not self._stopping:
                    await self._once(key)
            finally:
                self.queue.done(key)

    async def _once(self, key: Key) -> None:
        self.counts.reconciles += 1
        try:
            result = await self._reconcile(key)
        except Permanent as error:
            self.counts.permanent += 1
            await self._give_up(key, error)
        except Conflict as error:
            self.counts.conflicts += 1
            self._conflict(key, error)
        except (Temporary, ApiError) as error:
            self.counts.temporary += 1
            self._again(key, error)
        except Exception:
            self.counts.failures += 1
            delay = self.queue.add_rate_limited(key)
            log.exception("%s: reconcile of %s failed; again in %.2f s", self.name, key, delay)
        else:
            self.counts.done += 1
            self.queue.forget(key)
            if result.requeue_after is not None:
                self.queue.add_after(key, result.requeue_after)

    def _again(self, key: Key, error: Temporary | ApiError) -> None:
        after = error.after if isinstance(error, Temporary) else None
        if after is None:
            after = self.queue.add_rate_limited(key)
        else:
            self.queue.add_after(key, after)
        log.info("%s: %s: %s; again in %.2f s", self.name, key, error, after)

    def _conflict(self, key: Key, error: Conflict) -> None:
        """At once the first time; then with back-off, for the cache may need a moment to see what it conflicts with."""
        if self.queue.failures(key):
            self.queue.add_rate_limited(key)
        else:
            self.queue.count_failure(key)
            self.queue.add(key)
        log.debug("%s: %s: %s", self.name, key, error)

    async def _give_up(self, key: Key, error: Permanent) -> None:
        log.warning("%s: %s: %s; left alone until it changes", self.name, key, error)
        self.queue.cancel_later(key)
        if self._options.gave_up is None:
            self.queue.forget(key)
            return
        try:
            await self._options.gave_up(key, error)
        except Conflict as conflict:
            self._conflict(key, conflict)
        except (Temporary, ApiError) as problem:
            self._again(key, problem)
        except Exception:
            delay = self.queue.add_rate_limited(key)
            log.exception("%s: cannot record the failure of %s; again in %.2f s", self.name, key, delay)
        else:
            self.queue.forget(key)
