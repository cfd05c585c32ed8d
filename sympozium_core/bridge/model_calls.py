"""Model calls over the bus: names equal calls apart, asks again while nothing has been handed on, and bounds how many an agent makes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call
from sympozium_core.contracts.bus import Bus
from sympozium_core.errors import BudgetExceeded, Temporary

MAX_CALLS_AT_ONCE = 8
PATIENCE = 20.0
"""Seconds for which a call that has brought nothing yet is tried again when the bus or the gateway is away."""
PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
FREE_FAILURES = 20
"""Calls that failed for a passing reason are not turns, but an agent cannot make them for ever."""

logger = logging.getLogger(__name__)

Frame = dict[str, Any]


class _Ordinals:
    """Which of the equal calls this is: the first that was not delivered whole and is not under way now.

    So a repeated request after a broken delivery has the same name in the journal, and finds the recorded answer.
    """

    def __init__(self) -> None:
        self._delivered: dict[str, set[int]] = {}
        self._active: dict[str, set[int]] = {}

    def take(self, key: str) -> int:
        taken = self._delivered.get(key, set()) | self._active.setdefault(key, set())
        ordinal = next(number for number in range(len(taken) + 1) if number not in taken)
        self._active[key].add(ordinal)
        return ordinal

    def give_back(self, key: str, ordinal: int, delivered: bool) -> None:
        self._active[key].discard(ordinal)
        if delivered:
            self._delivered.setdefault(key, set()).add(ordinal)


class ModelCalls:
    """The model calls of one attempt of one run."""

    def __init__(self, bus: Bus, uid: str, *, attempt: int, deadline: float, max_turns: int, turns: int = 0) -> None:
        """`turns` are those of earlier attempts that are not asked for again, `deadline` epoch seconds."""
        self._bus = bus
        self._subject = subjects.request(uid, subjects.MODEL)
        self._attempt = attempt
        self._deadline = deadline
        self._max_turns = max_turns
        self.turns = turns
        self._failures = 0
        self._beyond = False
        self._active = 0
        self._ordinals = _Ordinals()
        self._slots = asyncio.Semaphore(MAX_CALLS_AT_ONCE)

    async def ask(self, body: bytes) -> AsyncGenerator[list[Frame], None]:
        """`body` is a JSON object as the agent sent it, passed on byte for byte. Frames of the reply, those together that came together:
        ``{"chunk"}`` each, at the end ``{"usage", …}``. The delivery counts once the caller comes back after that one.

        Raises BudgetExceeded, Temporary (try again), Permanent with the gateway's reason.
        """
        if self.turns + self._active >= self._max_turns and not self._first_beyond():
            raise BudgetExceeded(
                f"the run has had its {self._max_turns} turns", hint="raise maxTurns, or give it a smaller task"
            )
        if self._failures >= self._max_turns + FREE_FAILURES:
            raise BudgetExceeded(f"{self._failures} model calls of this run have failed", hint="see the run's journal")
        key = hashlib.sha256(body).hexdigest()
        ordinal = self._ordinals.take(key)
        delivered = False
        self._active += 1
        try:
            async with self._slots, aclosing(self._frames(body, ordinal)) as items:
                async for frames in items:
                    yield frames
                    delivered = delivered or "usage" in frames[-1]
        finally:
            self._active -= 1
            self._ordinals.give_back(key, ordinal, delivered)
            if delivered:
                self.turns += 1
            else:
                self._failures += 1

    def _first_beyond(self) -> bool:
        """Of the calls that come when every turn is on record: it is left to the gateway, which refuses it, and what the gateway says of a limit is
        what a run's end goes by, whatever its agent makes of a refusal."""
        first = not self._beyond and self.turns >= self._max_turns
        self._beyond = self._beyond or first
        return first

    async def _frames(self, body: bytes, ordinal: int) -> AsyncGenerator[list[Frame], None]:
        data = b'{"attempt":%d,"ordinal":%d,"body":%b}' % (self._attempt, ordinal, body)
        give_up = time.monotonic() + PATIENCE
        for number in range(1_000_000):
            started = False
            try:
                async with aclosing(call(self._bus, self._subject, data, deadline=self._deadline)) as items:
                    async for item in items:
                        started = True
                        yield json.loads(item)
                return
            except Temporary as error:
                pause = max(PAUSES[min(number, len(PAUSES) - 1)], error.after or 0.0)
                soon = min(give_up, time.monotonic() + self._deadline - time.time())
                if started or error.reason == "Timeout" or time.monotonic() + pause > soon:
                    raise
                logger.info("model call is tried again in %.2f s: %s", pause, error)
                await asyncio.sleep(pause)
