"""Progress of the agent and of running tools, for people who watch: bounded in number, size and rate; what is too much is dropped without a word."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any

from sympozium_core.bridge.record import Allowance, Record
from sympozium_core.contracts.bus import LimitReached
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import parse_stream_event

MAX_EVENTS = 10_000
EVENTS_AT_ONCE = 2_500
EVENTS_A_SECOND = 50.0
MAX_WAITING = 4_096
TOGETHER = 0.05
"""Seconds for which the first event waits for others."""
IN_ONE = 64
"""Events in one entry of the journal."""
OUTPUT = "tool.output"
"""Type of an event that tells what a running tool says; an agent's own cannot have it."""
MAX_OUTPUTS = 5_000
OUTPUTS_AT_ONCE = 200
OUTPUTS_A_SECOND = 20.0

logger = logging.getLogger(__name__)


def is_progress(name: str) -> bool:
    return f"output/{name}".startswith(layout.STREAM_PREFIX) and name.endswith(".json")


class Progress:
    def __init__(self, agent: Root, record: Record) -> None:
        self._agent = agent
        self._record = record
        self._names: deque[str | dict[str, Any]] = deque()
        """Names of files, and what is an event already."""
        self._come = asyncio.Event()
        self._turn = asyncio.Lock()
        self._writing: asyncio.Future[None] | None = None
        """The last entry, which may be on its way."""
        self._seen: set[str] = set()
        self._allowance = Allowance(total=MAX_EVENTS, burst=EVENTS_AT_ONCE, rate=EVENTS_A_SECOND)
        self._outputs = Allowance(total=MAX_OUTPUTS, burst=OUTPUTS_AT_ONCE, rate=OUTPUTS_A_SECOND)

    def take(self, name: str) -> None:
        """A file that appeared; each name counts once."""
        if name not in self._seen and len(self._names) < MAX_WAITING and self._allowance.take():
            self._seen.add(name)
            self._names.append(name)
            self._come.set()

    def tool_output(self, server: str, call: str, text: str) -> None:
        """What a call says while it runs; of all servers together no more than an allowance of its own."""
        if len(self._names) < MAX_WAITING and self._outputs.take():
            self._names.append({"type": OUTPUT, "server": server, "call": call, "text": text})
            self._come.set()

    async def work(self) -> None:
        while True:
            await self._come.wait()
            await asyncio.sleep(TOGETHER)
            await self._journal()

    async def drain(self) -> None:
        """Journals what has been taken, before the result."""
        if self._writing is not None:
            await self._writing
        while self._names or self._turn.locked():
            await self._journal()

    async def _journal(self) -> None:
        """One entry for what has come together: progress is for people, and must not keep a tool call waiting for its turn at the journal."""
        async with self._turn:
            names = [self._names.popleft() for _ in range(min(IN_ONE, len(self._names)))]
            if not self._names:
                self._come.clear()
            writing = self._writing = asyncio.ensure_future(self._write(names))
            await asyncio.shield(writing)  # when the run ends, what has been taken is still written: `drain` waits for it

    async def _write(self, names: Sequence[str | dict[str, Any]]) -> None:
        events = [event for name in names if (event := await self._read(name)) is not None]
        if events:
            try:
                await self._record.append("progress", events=events)
            except LimitReached as error:  # perhaps for a moment only; what matters to the run says so itself
                logger.warning("progress is not on record: %s", error)

    async def _read(self, name: str | dict[str, Any]) -> dict[str, Any] | None:
        if isinstance(name, dict):
            return name
        path = f"output/{name}"
        try:
            return dict(parse_stream_event(self._agent.read_json(path, layout.MAX_STREAM), path).data)
        except FileNotFoundError:
            return None
        except (OSError, Permanent) as error:
            await self._record.problem(str(error), path)
            return None
