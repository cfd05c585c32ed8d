"""Why a run may have to stop early, and how the agent is told: a word from the control plane, the deadline, a signal."""

from __future__ import annotations

import asyncio
import logging
import time

from sympozium_core.bridge.tightening import RunOver, Tightening
from sympozium_core.bus import frames, subjects
from sympozium_core.bus.journal import EntryType, entry_of
from sympozium_core.contracts.bus import Bus, BusDenied, BusUnavailable, Subscription
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import FileRefused, Root

GRACE = 8.0
"""Seconds that the agent has for writing a result after it was told to stop."""

logger = logging.getLogger(__name__)


class Stopping:
    """Set once by whoever is first; `wait` returns when the agent's grace is over."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.because = ""
        self.run_ends = False
        """The run itself is to end: cancelled, or out of time. Otherwise it is only this pod that goes, and the run goes on in another."""
        self.agent_started = False
        """From the moment its task is written, an agent may have something to say before it ends."""

    def ask(self, because: str, *, run_ends: bool) -> None:
        self.run_ends = self.run_ends or run_ends
        logger.info("stopping: %s", because)
        if not self._asked.is_set():
            self.because = because
            self._asked.set()

    async def tell(self, agent: Root) -> None:
        """Waits until somebody asks, then tells the agent. Returns when it has had its time."""
        await self._asked.wait()
        try:
            agent.write_bytes(layout.CONTROL_CANCEL, self.because.encode())
        except (OSError, FileRefused) as error:
            logger.warning("the agent was not told to stop: %s", error)
        await asyncio.sleep(GRACE)

    async def at(self, deadline: float) -> None:
        """Asks when the run's time, in epoch seconds, is over."""
        await asyncio.sleep(max(0.0, deadline - time.time()))
        self.ask("the run's deadline has passed", run_ends=True)


async def listen(bus: Bus, uid: str) -> Subscription:
    return await bus.subscribe(subjects.journal(uid, subjects.CONTROL))


async def obey(bus: Bus, uid: str, first: Subscription, stopping: Stopping, tightening: Tightening) -> None:
    """Follows `.ctl`; listens again when the connection was lost. Raises RunOver when the run has ended or the bus does not know the pod."""
    messages: Subscription | None = first
    while True:
        try:
            if messages is None:
                messages = await listen(bus, uid)
                tightening.ask()  # for what was said meanwhile
            async for message in messages:
                found = entry_of(message)
                entry = found.entry if found else {"type": ""}
                kind = entry["type"]
                if kind == EntryType.CANCEL:
                    stopping.ask(str(entry.get("because") or "cancelled"), run_ends=True)
                elif kind == EntryType.ENDED:
                    raise RunOver("the run has ended")
                elif kind == EntryType.POLICY:
                    tightening.told(entry)
                elif found is None and frames.LAST in message.headers:
                    tightening.ask()  # a long entry, which is a policy if it is anything
        except BusUnavailable as error:
            logger.warning("not listening to the control plane: %s", error)
        except BusDenied as error:
            raise RunOver(f"the bus does not know this pod any more: {error.message}") from error
        messages = None
        await asyncio.sleep(0.5)
