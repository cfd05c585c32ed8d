"""What the controller knows of a run by its journal, on the real bus: read once, and what is new each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.clock import SystemClock
from sympozium_core.controllers.agentrun.journal import MAX_STARTS, Journals
from sympozium_core.embedded.bus.local import EmbeddedBus

UID = "u1"
NOTHING = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0, "modelCalls": 0, "toolCalls": 0}


class Side:
    def __init__(self, bus: EmbeddedBus) -> None:
        self.bus = bus
        self.journals = Journals(bus, SystemClock())
        self._journals: dict[str, Journal] = {}

    async def append(self, who: str, attempt: int = 1, **entry: Any) -> None:
        journal = self._journals.setdefault(
            f"{who} {attempt}", await Journal.open(self.bus, subjects.journal(UID, who), attempt=attempt)
        )
        await journal.append(entry)

    async def said(self) -> list[dict[str, Any]]:
        return [found.entry async for found in read_entries(self.bus, UID, who=subjects.CONTROL)]


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    bus = await EmbeddedBus.open(tmp_path)
    yield Side(bus)
    await bus.close()


async def test_of_a_run_that_has_none(side: Side) -> None:
    record = await side.journals.read(UID)
    assert (record.result, record.started, record.announced, record.usage) == (None, {}, set(), NOTHING)


async def test_it_grows_with_the_journal(side: Side) -> None:
    await side.journals.say(UID, {"type": "attempt", "attempt": 1, "pod": "run-u1-1"})
    await side.append(subjects.POD, type="started", servers=["shell"])
    record = await side.journals.read(UID)
    assert record.announced == {"run-u1-1"}
    assert record.started[1]["servers"] == ["shell"]
    await side.append(subjects.POD, type="tool.requested", call="c1")
    await side.append(subjects.POD, type="result", status="success", response="first")
    await side.append(subjects.POD, type="result", status="error", response="second")
    result = (await side.journals.read(UID)).result
    assert result is not None
    assert result["response"] == "first"
    assert (await side.journals.read(UID)).usage == {**NOTHING, "toolCalls": 1}


async def test_tokens_are_those_that_the_gateway_counted_and_that_were_paid_for(side: Side) -> None:
    usage = {"promptTokens": 10, "completionTokens": 5}
    await side.append(subjects.GATEWAY, type="model.answer", call="a", usage=usage, replayed=False)
    await side.append(subjects.GATEWAY, type="model.answer", call="b", usage=usage, replayed=True)
    await side.append(subjects.POD, type="model.answer", call="c", usage=usage, replayed=False)
    counted = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "modelCalls": 1}
    assert (await side.journals.read(UID)).usage == {**NOTHING, **counted}


@pytest.mark.parametrize("attempt", ["2", None, 1.5, [1]])
async def test_a_start_that_names_no_attempt_is_none(side: Side, attempt: Any) -> None:
    await side.bus.append(subjects.journal(UID, subjects.POD), b'{"type":"started"}')
    await side.append(subjects.POD, **{"type": "started", "attempt": attempt})
    assert (await side.journals.read(UID)).started == {}


async def test_starts_are_bounded_and_the_first_of_an_attempt_counts(side: Side) -> None:
    for attempt in range(MAX_STARTS + 10):
        await side.append(subjects.POD, type="started", attempt=attempt, servers=[])
        await side.append(subjects.POD, type="started", attempt=attempt, servers=["other"])
    started = (await side.journals.read(UID)).started
    assert len(started) == MAX_STARTS
    assert all(entry["servers"] == [] for entry in started.values())


async def test_what_is_said_twice_in_a_row_is_said_once(side: Side) -> None:
    for _ in range(2):
        await side.journals.say(UID, {"type": "attempt", "attempt": 1, "pod": "p1"})
    await side.journals.say(UID, {"type": "cancel", "because": "x"})
    for _ in range(2):
        await Journals(side.bus, SystemClock()).say(UID, {"type": "cancel", "because": "x"})
    said = await side.said()
    assert [(entry["type"], entry["attempt"]) for entry in said] == [("attempt", 1), ("cancel", 1)]


async def test_an_entry_of_several_frames_that_was_half_there_at_the_last_look(side: Side) -> None:
    """Between its frames another writer's entry was stored, and read."""
    long = "x" * (2 * 1024 * 1024)
    frames: list[tuple[bytes, dict[str, str]]] = []

    class Later(EmbeddedBus):
        """Keeps what it is given."""

        def __init__(self) -> None:
            self.max_payload = side.bus.max_payload

        async def append(self, subject: str, data: bytes, **options: Any) -> Any:
            frames.append((data, options["headers"]))
            return type("Ack", (), {"sequence": 1 if len(frames) == 1 else 99})

    await Journal(Later(), subjects.journal(UID, "pod"), last=0, attempt=1).append({"type": "result", "response": long})
    assert len(frames) > 2
    await side.bus.append(subjects.journal(UID, "pod"), frames[0][0], headers=frames[0][1])
    await side.journals.say(UID, {"type": "attempt", "attempt": 1, "pod": "p1"})
    assert (await side.journals.read(UID)).result is None
    for data, headers in frames[1:]:
        await side.bus.append(subjects.journal(UID, "pod"), data, headers=headers)
    result = (await side.journals.read(UID)).result
    assert result is not None
    assert result["response"] == long


async def test_a_run_that_is_forgotten(side: Side) -> None:
    await side.append(subjects.POD, type="result", status="success")
    assert (await side.journals.read(UID)).result
    await side.journals.forget(UID)
    assert (await side.journals.read(UID)).result is None


async def test_a_limit_that_the_gateway_met_is_known_and_no_pod_can_say_so(side: Side) -> None:
    await side.append(subjects.POD, type="model.error", failure="budget", message="forged")
    await side.append(subjects.GATEWAY, type="model.error", failure="rate_limited", message="busy")
    assert not (await side.journals.read(UID)).exceeded
    await side.append(subjects.GATEWAY, type="model.error", failure="budget", message="36 of 30")
    assert (await side.journals.read(UID)).exceeded == "36 of 30"
