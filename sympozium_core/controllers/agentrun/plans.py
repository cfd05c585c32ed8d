"""A run's plan, kept from the moment it is stamped: a later attempt goes by the same plan, whatever became of the resources since."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan import RunPlan, to_json
from sympozium_core.contracts.plan_reading import run_plan_from_json
from sympozium_core.errors import Permanent
from sympozium_core.recent import Recent

MAX_PLANS, MAX_BYTES = 4096, 32 * 1024 * 1024
"""That are kept in memory, by the size of their JSON: a plan never changes, and is asked for at each step of its run."""


class Plans:
    """Those of all runs, on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lately: Recent[RunPlan] = Recent(MAX_PLANS, MAX_BYTES)

    async def keep(self, plan: RunPlan) -> None:
        """Returns when the plan is durable."""
        data = json.dumps(to_json(plan), ensure_ascii=False).encode()

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        await self._bus.put_object(_name(plan.uid), chunks())
        self._lately.put(plan.uid, plan, len(data))

    async def load(self, uid: str) -> RunPlan:
        """Raises Permanent when the plan is gone, which only a damaged store can cause."""
        if (known := self._lately.get(uid)) is not None:
            return known
        try:
            data = b"".join([chunk async for chunk in self._bus.get_object(_name(uid))])
            plan = run_plan_from_json(json.loads(data))
        except (KeyError, ValueError, TypeError) as error:
            raise Permanent(
                f"the stored plan of run {uid} cannot be read", hint="delete the run and create it again"
            ) from error
        self._lately.put(uid, plan, len(data))
        return plan

    async def forget(self, uid: str) -> None:
        self._lately.drop(uid)
        await self._bus.delete_object(_name(uid))


def _name(uid: str) -> str:
    return f"run/{uid}/plan.json"
