"""What a gateway keeps of each run between calls: the record, and the right to append to it as long as nobody else has.

Two gateways may serve one run (a queue group): whoever is fenced reads what the other wrote and decides anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.contracts.bus import Bus, Fenced
from sympozium_core.errors import Temporary
from sympozium_core.gateway.record import ModelRecord
from sympozium_core.recent import Recent

MAX_RUNS = 256
MAX_BYTES = 128 * 1024 * 1024
"""Of journal entries in all records together; a run beyond is read again when it is next asked for."""
MAX_FENCED = 20

Build = Callable[[ModelRecord], Mapping[str, Any] | None]
"""Makes the entry from the newest record, or None when there is nothing left to say."""


class RunState:
    """The record of one run, loaded at the first use."""

    def __init__(self, bus: Bus, uid: str) -> None:
        self._bus = bus
        self._uid = uid
        self._journal: Journal | None = None
        self._lock = asyncio.Lock()
        self.record = ModelRecord()

    def is_new(self, call: str) -> bool:
        """Whether the call has no answer on a record that was the newest when it was last looked at; only an append can say that it still is."""
        return self._journal is not None and call not in self.record.answers

    async def refresh(self) -> ModelRecord:
        """The record up to what is stored now, whoever wrote it."""
        async with self._lock:
            await self._load(attempt=0)
            return self.record

    async def append(self, build: Build, *, attempt: int) -> bool:
        """Stores what `build` makes; False when it made nothing. Raises Temporary after many lost races, and as `Journal.append`."""
        async with self._lock:
            for _ in range(MAX_FENCED):
                journal = self._journal or await self._load(attempt)
                entry = build(self.record)
                if entry is None:
                    return False
                entry = {**entry, "attempt": attempt}
                # Until the append has succeeded, what the stream holds is unknown: then it is read again.
                self._journal = None
                try:
                    sequence = await journal.append(entry)
                except Fenced:
                    continue
                self._journal = journal
                self.record.apply(sequence, entry)
                return True
            raise Temporary("other gateways keep answering for this run", after=1.0)

    async def _load(self, attempt: int) -> Journal:
        newest = await self._bus.last(subjects.journal(self._uid, subjects.GATEWAY))
        async with aclosing(read_entries(self._bus, self._uid, who=subjects.GATEWAY, after=self.record.last)) as entries:
            async for sequence, _, entry in entries:
                self.record.apply(sequence, entry)
        last = max(newest.sequence if newest else 0, self.record.last)
        self._journal = Journal(self._bus, subjects.journal(self._uid, subjects.GATEWAY), last=last, attempt=attempt)
        return self._journal


class RunStates:
    """The runs asked for lately; the least recent ones are forgotten first."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lately: Recent[RunState] = Recent(MAX_RUNS, MAX_BYTES)

    def get(self, uid: str) -> RunState:
        state = self._lately.get(uid) or RunState(self._bus, uid)
        self._lately.put(uid, state, state.record.size)  # it has grown since
        return state
