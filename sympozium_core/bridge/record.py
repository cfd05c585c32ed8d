"""What the bridge says on the run's journal, and how much of it a hostile pod can make it say."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from sympozium_core.bus.journal import Journal
from sympozium_core.contracts.bus import BusUnavailable

MAX_PROBLEMS = 200
"""`problem` entries of one attempt."""
PROBLEMS_AT_ONCE = 20
PROBLEMS_A_SECOND = 5.0
MAX_WHAT = 1000

logger = logging.getLogger(__name__)


class Allowance:
    """A token bucket with a total: a burst, then a rate, and in the end nothing."""

    def __init__(self, *, total: int, burst: int, rate: float) -> None:
        """`rate` is per second."""
        self._left = total
        self._burst = burst
        self._rate = rate
        self._tokens = float(burst)
        self._at = time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._left <= 0 or self._tokens < 1:
            return False
        self._left -= 1
        self._tokens -= 1
        return True


class Record:
    """Appends until the bus has it or the run's time is over; `Fenced` and other permanent errors end the bridge."""

    def __init__(self, journal: Journal, deadline: float) -> None:
        """`deadline` in epoch seconds: later the bus is not waited for."""
        self._journal = journal
        self._deadline = deadline
        self._problems = Allowance(total=MAX_PROBLEMS, burst=PROBLEMS_AT_ONCE, rate=PROBLEMS_A_SECOND)

    async def append(self, kind: str, **fields: Any) -> int:
        """Returns the entry's sequence when it is durable. Raises Fenced, LimitReached, BusDenied, and BusUnavailable after the deadline."""
        entry: Mapping[str, Any] = {"type": kind, **fields}
        while True:
            try:
                return await self._journal.append(entry)
            except BusUnavailable as error:
                if time.time() > self._deadline:
                    raise
                logger.warning("the bus is away: %s", error)
                await asyncio.sleep(0.5)

    async def problem(self, what: str, where: str) -> None:
        """Hostile or broken input that was refused; beyond the allowance it is dropped."""
        if self._problems.take():
            await self.append("problem", what=what[:MAX_WHAT], where=where[:256])
