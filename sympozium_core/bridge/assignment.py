"""What a bridge is told when its pod gets a run: the plan, the attempt, the deadline, and what earlier attempts have finished."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.plan_reading import run_plan_from_json
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.ipc.protocol import ToolResult, parse_tool_result

CALL_SECONDS = 20.0
"""How long one try may take."""
PATIENCE = 120.0
"""Seconds for which the controller and the gateway may be away when a pod starts."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Earlier:
    """What the journal knows of earlier attempts."""

    messages: tuple[Mapping[str, Any], ...] = ()
    tool_results: Mapping[str, ToolResult] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()

    @property
    def turns(self) -> int:
        return sum(message.get("role") == "assistant" for message in self.messages)

    @property
    def tool_calls(self) -> int:
        return len(self.tool_results) + len(self.unknown)


@dataclass(frozen=True)
class Assignment:
    plan: RunPlan
    attempt: int
    deadline: float
    """Epoch seconds."""
    last_pod: int
    """Sequence of the newest entry on `.pod`: the first append expects it."""
    earlier: Earlier | None
    """None in the first attempt."""
    workspace_lost: bool = False
    """What earlier attempts left in /workspace is not there."""


async def assignment(bus: Bus, uid: str, pod: str) -> Assignment:
    """Asks the controller, and from the second attempt on the gateway. Raises Permanent for a run that is over or an answer that is none."""
    told = await ask(bus, subjects.request(uid, subjects.START), {"pod": pod})
    try:
        plan, attempt = run_plan_from_json(told["plan"]), int(told["attempt"])
        deadline, last_pod, lost = float(told["deadline"]), int(told["lastPod"]), told["workspace"] == "lost"
    except (KeyError, TypeError, ValueError) as error:
        raise Permanent(
            f"the controller's answer is not of this version: {error!r}", hint="run one version everywhere"
        ) from error
    earlier = None
    if attempt > 1:
        earlier = _earlier(await ask(bus, subjects.request(uid, subjects.REPLAY), {"attempt": attempt}))
    return Assignment(plan, attempt, deadline, last_pod, earlier, lost)


def _earlier(told: Mapping[str, Any]) -> Earlier:
    results = {call: parse_tool_result({**result, "id": call}, "replay") for call, result in told["toolResults"].items()}
    return Earlier(tuple(told["messages"]), results, frozenset(told["unknown"]))


async def ask(bus: Bus, subject: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """Asks until somebody answers; a bus or a server that is away for a moment is waited for. Raises Temporary, Permanent."""
    give_up = time.monotonic() + PATIENCE
    pause = 0.02
    while True:
        try:
            answer = await call_once(bus, subject, json.dumps(question).encode(), deadline=time.time() + CALL_SECONDS)
            return dict(json.loads(answer))
        except Temporary as error:
            pause = min(2.0, max(2 * pause, error.after or 0.0))
            if time.monotonic() + pause > give_up:
                raise
            logger.info("%s is tried again in %.2f s: %s", subject, pause, error)
            await asyncio.sleep(pause)
