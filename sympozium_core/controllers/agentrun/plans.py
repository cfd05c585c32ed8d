"""A run's plan, kept from the moment it is stamped: a later attempt goes by the same plan, whatever became of the resources since."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan import RunPlan, run_plan_from_json, to_json
from sympozium_core.errors import Permanent


def _name(uid: str) -> str:
    return f"run/{uid}/plan.json"


async def keep(bus: Bus, plan: RunPlan) -> None:
    """Returns when the plan is durable."""
    data = json.dumps(to_json(plan), ensure_ascii=False).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    await bus.put_object(_name(plan.uid), chunks())


async def load(bus: Bus, uid: str) -> RunPlan:
    """Raises Permanent when the plan is gone, which only a damaged store can cause."""
    try:
        data = b"".join([chunk async for chunk in bus.get_object(_name(uid))])
        return run_plan_from_json(json.loads(data))
    except (KeyError, ValueError, TypeError) as error:
        raise Permanent(f"the stored plan of run {uid} cannot be read", hint="delete the run and create it again") from error


async def forget(bus: Bus, uid: str) -> None:
    await bus.delete_object(_name(uid))
