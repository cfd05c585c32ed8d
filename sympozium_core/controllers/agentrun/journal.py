"""What the controller reads from the journals of runs, and the little that it writes there itself (`.ctl`).

What was read is remembered: a look at a run's journal costs a question for what is new, and nothing of it is read twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import FAILURE_BUDGET, EntryType, Journal, JournalEntry, read_entries
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.recent import Recent

MAX_RUNS, MAX_BYTES = 4096, 64 * 1024 * 1024
"""Whose records are kept in memory, and what they may hold together; the record of a run beyond is read again when it is next looked at."""
MAX_STARTS = 64
"""Bridges of one run that are believed to have started; nobody has so many attempts."""

Entry = Mapping[str, Any]


@dataclass
class Record:
    """What the journal of one run says up to `last`, as far as the controller asks."""

    last: int = 0
    result: Entry | None = None
    """That a bridge has put on record; the first one counts."""
    started: dict[int, Entry] = field(default_factory=dict)
    """What the bridge of each attempt said when it started."""
    announced: set[str] = field(default_factory=set)
    """Pods that may have been started: the announcement is durable before the first process is."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Tools of the calls that wait for a person, by call."""
    refused: Entry | None = None
    """The denial by a person, or by time, behind which no tool has been called."""
    exceeded: str = ""
    """Which limit of the run the gateway has met, and what was reached."""
    policy: Entry | None = None
    """The newest entry that tightened the run's policy; its `tools` are all that holds from then on."""
    said: Entry | None = None
    """The newest entry of `.ctl`."""
    said_at: int = 0
    usage: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("inputTokens", "outputTokens", "totalTokens", "modelCalls", "toolCalls"), 0)
    )
    """Of ``status.tokenUsage``, what the gateway counted and the bridge carried; the agent's own counters have no say."""
    size: int = 1024
    """Roughly the bytes of all that."""

    def apply(self, found: JournalEntry) -> None:
        """Takes in the next entry, in order."""
        if found.sequence <= self.last:
            return
        self.last, entry = found.sequence, found.entry
        match found.source, entry["type"]:
            case subjects.CONTROL, kind:
                self.said, self.said_at = entry, found.sequence
                if kind == EntryType.ATTEMPT:
                    self.announced.add(str(entry.get("pod")))
                    self.waiting.clear()
                elif kind == EntryType.POLICY:
                    self.policy = self._keep(entry)
            case subjects.POD, EntryType.STARTED if isinstance(entry.get("attempt"), int) and len(self.started) < MAX_STARTS:
                self.started.setdefault(entry["attempt"], self._keep(entry))
            case subjects.POD, EntryType.RESULT if self.result is None:
                self.result = self._keep(entry)
            case subjects.POD, EntryType.TOOL_WAITING:
                self.waiting[str(entry.get("call"))] = str(entry.get("tool"))
            case subjects.POD, EntryType.TOOL_DENIED:
                self.waiting.pop(str(entry.get("call")), None)
                self.refused = entry if "approval" in entry else self.refused
            case subjects.POD, EntryType.TOOL_REQUESTED:
                self.waiting.pop(str(entry.get("call")), None)
                self.refused = None
                self.usage["toolCalls"] += 1
            case subjects.GATEWAY, EntryType.MODEL_ANSWER if not entry.get("replayed"):
                self._count(entry.get("usage") or {})
            case subjects.GATEWAY, EntryType.MODEL_ERROR if entry.get("failure") == FAILURE_BUDGET:
                self.exceeded = str(entry.get("message"))

    def _keep(self, entry: Entry) -> Entry:
        self.size += len(repr(entry))
        return entry

    def _count(self, counted: Mapping[str, Any]) -> None:
        self.usage["inputTokens"] += int(counted.get("promptTokens") or 0)
        self.usage["outputTokens"] += int(counted.get("completionTokens") or 0)
        self.usage["modelCalls"] += 1
        self.usage["totalTokens"] = self.usage["inputTokens"] + self.usage["outputTokens"]


class Journals:
    """Those of all runs."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus, self._clock = bus, clock
        self._lately: Recent[Record] = Recent(MAX_RUNS, MAX_BYTES)

    async def read(self, uid: str) -> Record:
        """The record up to what is stored now; it grows when it is read again."""
        record = self._lately.get(uid) or Record()
        async with aclosing(read_entries(self._bus, uid, after=record.last)) as entries:
            async for found in entries:
                record.apply(found)
        self._lately.put(uid, record, record.size)
        return record

    async def say(self, uid: str, entry: Entry) -> None:
        """Appends to `.ctl` unless the newest entry there already says the same: a reconcile may come again."""
        record = await self.read(uid)
        newest = record.said or {}
        if record.said is not None and all(newest.get(key) == value for key, value in entry.items()):
            return
        attempt = int(entry.get("attempt") or newest.get("attempt") or 0)
        subject = subjects.journal(uid, subjects.CONTROL)
        await Journal(self._bus, subject, last=record.said_at, attempt=attempt, now=self._clock.now).append(entry)

    def let_go(self, uid: str) -> None:
        """Of a run that is over and cleaned, whose journal is hardly looked at again."""
        self._lately.drop(uid)

    async def forget(self, uid: str) -> None:
        """Removes the run's journal, when the run itself is deleted."""
        self.let_go(uid)
        await self._bus.purge(subjects.journal(uid))
