"""What the controller reads from a run's journal, and the little that it writes there itself (`.ctl`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import EntryType, Journal, read_entries
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus


async def say(bus: Bus, uid: str, entry: Mapping[str, Any], clock: Clock) -> None:
    """Appends to `.ctl` unless the newest entry there already says the same: a reconcile may come again."""
    newest = None
    async for found in read_entries(bus, uid, who=subjects.CONTROL):
        newest = found
    if newest is not None and all(newest.entry.get(key) == value for key, value in entry.items()):
        return
    last = newest.sequence if newest is not None else 0
    attempt = int(entry.get("attempt") or (newest.entry.get("attempt") if newest else 0) or 0)
    await Journal(bus, subjects.journal(uid, subjects.CONTROL), last=last, attempt=attempt, now=clock.now).append(entry)


async def result(bus: Bus, uid: str) -> Mapping[str, Any] | None:
    """The result that a bridge has put on record; None while there is none."""
    subject = subjects.journal(uid, subjects.POD)
    if await bus.last(subject) is None:
        return None
    async for found in read_entries(bus, uid, who=subjects.POD):
        if found.entry["type"] == EntryType.RESULT:
            return found.entry
    return None


async def started(bus: Bus, uid: str, attempt: int) -> Mapping[str, Any] | None:
    """What the bridge of this attempt said when it started; None while it has not."""
    async for found in read_entries(bus, uid, who=subjects.POD):
        if found.entry["type"] == EntryType.STARTED and found.entry.get("attempt") == attempt:
            return found.entry
    return None


async def attempt_was_announced(bus: Bus, uid: str, pod: str) -> bool:
    """Whether the pod of this id was ever started: its announcement is durable before its first process is."""
    async for found in read_entries(bus, uid, who=subjects.CONTROL):
        if found.entry["type"] == EntryType.ATTEMPT and found.entry.get("pod") == pod:
            return True
    return False


async def usage(bus: Bus, uid: str) -> dict[str, int]:
    """``status.tokenUsage``, from what the gateway counted and the bridge carried; the agent's own counters have no say."""
    used = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0, "modelCalls": 0, "toolCalls": 0, "durationMs": 0}
    async for found in read_entries(bus, uid, who=subjects.GATEWAY):
        if found.entry["type"] == EntryType.MODEL_ANSWER and not found.entry.get("replayed"):
            counted = found.entry.get("usage") or {}
            used["inputTokens"] += int(counted.get("promptTokens") or 0)
            used["outputTokens"] += int(counted.get("completionTokens") or 0)
            used["modelCalls"] += 1
    used["totalTokens"] = used["inputTokens"] + used["outputTokens"]
    async for found in read_entries(bus, uid, who=subjects.POD):
        used["toolCalls"] += found.entry["type"] == EntryType.TOOL_REQUESTED
    return used


async def forget(bus: Bus, uid: str) -> None:
    """Removes the run's journal, when the run itself is deleted."""
    await bus.purge(subjects.journal(uid))
