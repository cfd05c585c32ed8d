"""Calls that wait for a person: asked of the controller over the bus, each in a task of its own, so that they hold up no other call."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from sympozium_core.bridge.stopping import GRACE
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.contracts.approvals import MAX_WAITS, Decision, decision_from_json
from sympozium_core.contracts.bus import Bus
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.ipc.documents import encode

LONGEST_PAUSE = 2.0

logger = logging.getLogger(__name__)


class Waits:
    """`work` runs as a task for as long as the bridge does: what a wait raises ends the bridge."""

    def __init__(self, bus: Bus, uid: str, pod: str, deadline: float) -> None:
        """`deadline` of the run in epoch seconds."""
        self._bus = bus
        self._subject = subjects.request(uid, subjects.APPROVE)
        self._pod = pod
        self._deadline = deadline + GRACE
        self._group = asyncio.TaskGroup()
        self._left: dict[str, asyncio.Event] = {}
        """By call, set when the agent waits no longer."""

    async def work(self) -> None:
        async with self._group:
            await asyncio.Event().wait()

    @property
    def full(self) -> bool:
        return len(self._left) >= MAX_WAITS

    def begin(self, call: str, wait: Coroutine[Any, Any, None]) -> None:
        """`wait` is what becomes of the call, its answer to the agent included."""
        self._left[call] = asyncio.Event()
        self._group.create_task(self._one(call, wait))

    def cancel(self, call: str) -> bool:
        """The agent waits no longer; False for a call that is not waiting."""
        left = self._left.get(call)
        if left is not None:
            left.set()
        return left is not None

    async def decision(self, call: str, question: Mapping[str, Any]) -> Decision:
        """Returns when somebody has decided, the time is over, or the agent has left. Raises Permanent for a question that is refused."""
        asking = asyncio.ensure_future(self._ask({**question, "call": call, "pod": self._pod}))
        leaving = asyncio.ensure_future(self._left[call].wait())
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        finally:
            asking.cancel()
            leaving.cancel()
            await asyncio.gather(asking, leaving, return_exceptions=True)
        return await self._ask({"call": call, "pod": self._pod, "withdrawn": True})

    async def _one(self, call: str, wait: Coroutine[Any, Any, None]) -> None:
        try:
            await wait
        finally:
            del self._left[call]

    async def _ask(self, question: Mapping[str, Any]) -> Decision:
        """Until there is an answer: a controller that is gone is asked again where the next one listens, and knows the question by its call."""
        pause = 0.02
        data = encode(question)
        while True:
            try:
                return decision_from_json(json.loads(await call_once(self._bus, self._subject, data, deadline=self._deadline)))
            except Temporary as error:
                pause = min(LONGEST_PAUSE, max(2 * pause, error.after or 0.0))
                if time.time() + pause > self._deadline:
                    return Decision("expired", False, comment="the run's time was over before there was an answer")
                logger.info("an approval is asked for again in %.2f s: %s", pause, error)
                await asyncio.sleep(pause)
            except (KeyError, TypeError, ValueError) as error:
                raise Permanent(f"the controller's answer is none: {error!r}") from error
