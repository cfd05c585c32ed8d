"""A policy that is tightened while the run is under way: the control plane says so on `.ctl`, and what was not heard there is asked for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from sympozium_core.bridge.assignment import ask
from sympozium_core.bridge.policy import CallReview
from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan_reading import tool_policy_from_json
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.errors import Permanent, SympoziumError, Temporary

logger = logging.getLogger(__name__)


class RunOver(SympoziumError):
    """The run has ended without this pod, or this pod is not its pod any more."""


class Tightening:
    """Hands what it learns to the review, where it holds from the next decision on. `work` runs as a task."""

    def __init__(self, bus: Bus, uid: str, pod: str, review: CallReview) -> None:
        self._bus, self._uid, self._pod, self._review = bus, uid, pod, review
        self._missed = asyncio.Event()

    def told(self, entry: Mapping[str, Any]) -> None:
        """Of an entry of type `policy`."""
        policy, limits = _policy(entry.get("tools")), entry.get("limits")
        if policy is None or not isinstance(limits, Mapping):
            self.ask()
        else:
            self._narrow(policy, limits.get("maxToolCalls"))

    def ask(self) -> None:
        """Something may have been said that nobody heard."""
        self._missed.set()

    async def work(self) -> None:
        """Asks whenever something was missed, until there is an answer. Raises RunOver when the pod is not the run's any more."""
        while True:
            await self._missed.wait()
            self._missed.clear()
            try:
                told = await ask(self._bus, subjects.request(self._uid, subjects.START), {"pod": self._pod})
            except Temporary as error:
                logger.warning("the policy as it is now is not known: %s", error)
                self._missed.set()
                continue
            except Permanent as error:
                raise RunOver(f"the policy as it is now cannot be asked for: {error.message}") from error
            plan = told.get("plan") or {}
            policy = _policy(plan.get("tools"))
            if policy is None:
                raise RunOver("the controller's answer is not of this version")
            self._narrow(policy, (plan.get("limits") or {}).get("max_tool_calls"))

    def _narrow(self, policy: ToolPolicy, max_calls: Any) -> None:
        if isinstance(max_calls, int):
            self._review.max_calls = min(self._review.max_calls, max_calls)
        if self._review.narrow(policy):
            logger.info("the run's policy was tightened")


def _policy(data: Any) -> ToolPolicy | None:
    try:
        return tool_policy_from_json(data)
    except (KeyError, TypeError, AttributeError):
        return None
