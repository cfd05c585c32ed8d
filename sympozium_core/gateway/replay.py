"""What earlier attempts of a run have finished, for the attempt that goes on."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.journal import read_entries
from sympozium_core.contracts.bus import Bus
from sympozium_core.gateway.record import ToolRecord
from sympozium_core.gateway.state import RunState


async def replay(bus: Bus, uid: str, state: RunState) -> dict[str, Any]:
    """``{"messages", "toolResults", "unknown"}``: the conversation up to the newest answer, every tool result by call, and the calls
    that were asked for and have none."""
    record = await state.refresh()
    tools = ToolRecord()
    async with aclosing(read_entries(bus, uid, who=subjects.POD)) as entries:
        async for _, _, entry in entries:
            tools.apply(entry)
    return {"messages": list(record.transcript), "toolResults": tools.results, "unknown": tools.unknown}
