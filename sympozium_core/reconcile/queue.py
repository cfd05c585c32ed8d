"""The work queue: a key is in it once, is worked on by one worker at a time, and is never lost.

The rules are those of client-go's workqueue (https://pkg.go.dev/k8s.io/client-go/util/workqueue): a key added while it is being worked
on is handed out again when that is done; keys are handed out in the order in which they came due. Those that can wait come behind all others,
but not for ever. For one event loop, not for threads.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from sympozium_core.backoff import BackOff

K = TypeVar("K", bound=Hashable)


PATIENCE = 5.0
"""Seconds for which a key that can wait is passed over."""
SHARE = 8
"""Of so many keys one is such a key then: those that came behind others must not hold these up in turn."""


BEHIND_AT_ONCE = 16
"""Of keys that can wait, so many are worked on at the same time: more would take from the others what workers cannot give, the server's time."""


class QueueClosed(Exception):
    """The queue was closed and every key that was due has been handed out."""


class WorkQueue(Generic[K]):
    def __init__(
        self, back_off: BackOff | None = None, *, can_wait: Callable[[K], bool] | None = None, patience: float = PATIENCE
    ) -> None:
        """`can_wait` is asked when a key comes due, and when it is added once more."""
        self._back_off = back_off or BackOff()
        self._can_wait = can_wait or (lambda _: False)
        self._patience = patience
        self._due: deque[K] = deque()
        self._behind: dict[K, float] = {}  # due too; loop time at which each has waited long enough, the first one's first
        self._since = 0  # how many others were handed out after the last of these
        self._waiting_for_work: deque[asyncio.Future[None]] = deque()
        self._wanted: set[K] = set()  # due, or to be due again when the worker that has it is done
        self._working: set[K] = set()
        self._working_behind: set[K] = set()
        self._failures: dict[K, int] = {}
        self._later: dict[K, float] = {}  # loop time at which a key comes due
        self._heap: list[tuple[float, int, K]] = []  # holds stale entries too; `_later` decides
        self._pushed = 0
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def __len__(self) -> int:
        """Keys that are due and not yet handed out."""
        return len(self._due) + len(self._behind)

    @property
    def working(self) -> int:
        return len(self._working)

    @property
    def delayed(self) -> int:
        return len(self._later)

    def add(self, key: K) -> None:
        """Makes a key due now. Does nothing after `close`."""
        if self._closed:
            return
        if key in self._wanted:
            if key in self._behind and not self._can_wait(key):
                del self._behind[key]
                self._due.append(key)
            return
        self._wanted.add(key)
        if key not in self._working:
            self._hand_in(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Makes a key due in that time; when it is to come due earlier already, that stands."""
        if self._closed:
            return
        if seconds <= 0:
            self.add(key)
            return
        at = self._now() + seconds
        if self._later.get(key, at + 1) <= at:
            return
        self._later[key] = at
        self._pushed += 1
        heapq.heappush(self._heap, (at, self._pushed, key))
        self._set_timer()

    def add_rate_limited(self, key: K) -> float:
        """Counts a failure of the key and makes it due after its back-off, which is returned in seconds."""
        delay = self._back_off.delay(self.count_failure(key))
        self.add_after(key, delay)
        return delay

    def count_failure(self, key: K) -> int:
        """Counts a failure without planning anything; returns the failures in a row."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return failures

    def failures(self, key: K) -> int:
        """Failures in a row, since the last `forget`."""
        return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """The key is well: its next failure is its first."""
        self._failures.pop(key, None)

    def cancel_later(self, key: K) -> None:
        """Takes back what `add_after` and `add_rate_limited` planned; a key that is due already stays due."""
        self._later.pop(key, None)

    async def get(self) -> K:
        """The next key, to be given back by `done`. Raises QueueClosed."""
        while not self._has_work():
            if self._closed and not len(self):
                raise QueueClosed
            turn = asyncio.get_running_loop().create_future()
            self._waiting_for_work.append(turn)
            try:
                await turn
            except BaseException:
                self._pass_on(turn)
                raise
        key = self._take()
        self._wanted.discard(key)
        self._working.add(key)
        if self._closed and not len(self):
            self._wake(len(self._waiting_for_work))
        return key

    def done(self, key: K) -> None:
        """Gives a key back; it is handed out again when it was added meanwhile."""
        self._working.discard(key)
        if key in self._working_behind:
            self._working_behind.discard(key)
            self._wake(1)
        if key in self._wanted:
            self._hand_in(key)
        elif not self._working and not len(self):
            self._idle.set()

    def close(self) -> None:
        """Takes nothing more in. What is due is still handed out, also what comes due again by `done`; what is for later is dropped."""
        self._closed = True
        self._later.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake(len(self._waiting_for_work))

    async def join(self) -> None:
        """Returns when nothing is due and nobody works; keys for later do not count."""
        await self._idle.wait()

    def _has_work(self) -> bool:
        return bool(self._due) or (bool(self._behind) and len(self._working_behind) < BEHIND_AT_ONCE)

    def _take(self) -> K:
        first = next(iter(self._behind), None) if len(self._working_behind) < BEHIND_AT_ONCE else None
        if first is not None and (not self._due or (self._since >= SHARE - 1 and self._behind[first] <= self._now())):
            self._since = 0
            del self._behind[first]
            self._working_behind.add(first)
            return first
        self._since += 1
        return self._due.popleft()

    def _hand_in(self, key: K) -> None:
        if self._can_wait(key):
            self._behind[key] = self._now() + self._patience
        else:
            self._due.append(key)
        self._idle.clear()
        self._wake(1)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _wake(self, count: int) -> None:
        while count and self._waiting_for_work:
            turn = self._waiting_for_work.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1

    def _pass_on(self, turn: asyncio.Future[None]) -> None:
        """A worker that is cancelled in the moment it is woken leaves its turn to the next."""
        if turn.done() and not turn.cancelled():
            self._wake(1)
        elif turn in self._waiting_for_work:
            self._waiting_for_work.remove(turn)

    def _set_timer(self) -> None:
        while self._heap and self._later.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if self._timer is not None and (not self._heap or self._timer.when() != self._heap[0][0]):
            self._timer.cancel()
            self._timer = None
        if self._heap and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._heap[0][0], self._ring)

    def _ring(self) -> None:
        """The loop may call a timer a hair early (by its clock's resolution), so what the timer was set for counts as due."""
        now = max(self._now(), self._timer.when() if self._timer is not None else 0.0)
        self._timer = None
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heapq.heappop(self._heap)
            if self._later.get(key) == at:
                del self._later[key]
                self.add(key)
        self._set_timer()
