"""Progress files of the agent, for people who watch: bounded in number, size and rate; what is too much is dropped without a word."""

from __future__ import annotations

import asyncio
import logging

from sympozium_core.bridge.record import Allowance, Record
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import parse_stream_event

MAX_EVENTS = 10_000
EVENTS_AT_ONCE = 2_500
EVENTS_A_SECOND = 50.0
MAX_WAITING = 4_096

logger = logging.getLogger(__name__)


def is_progress(name: str) -> bool:
    return f"output/{name}".startswith(layout.STREAM_PREFIX) and name.endswith(".json")


class Progress:
    def __init__(self, agent: Root, record: Record) -> None:
        self._agent = agent
        self._record = record
        self._names: asyncio.Queue[str] = asyncio.Queue(MAX_WAITING)
        self._seen: set[str] = set()
        self._allowance = Allowance(total=MAX_EVENTS, burst=EVENTS_AT_ONCE, rate=EVENTS_A_SECOND)

    def take(self, name: str) -> None:
        """A file that appeared; each name counts once."""
        if name not in self._seen and not self._names.full() and self._allowance.take():
            self._seen.add(name)
            self._names.put_nowait(name)

    async def work(self) -> None:
        while True:
            await self._one(await self._names.get())

    async def drain(self) -> None:
        """Journals what has been taken, before the result."""
        while not self._names.empty():
            await self._one(self._names.get_nowait())

    async def _one(self, name: str) -> None:
        path = f"output/{name}"
        try:
            event = parse_stream_event(self._agent.read_json(path, layout.MAX_STREAM), path)
        except FileNotFoundError:
            return
        except (OSError, Permanent) as error:
            await self._record.problem(str(error), path)
            return
        await self._record.append("progress", event=dict(event.data))
