"""The tool server that is no sidecar: its tools are carried out by the gateway, which decides by the run's plan and counts for itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call
from sympozium_core.contracts.bus import Bus, NoResponders
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.errors import SympoziumError, Temporary
from sympozium_core.ipc.protocol import ToolDefinition, ToolRequest, ToolResult
from sympozium_core.names import GATEWAY_SERVER, Tool

FETCH_URL = ToolDefinition(
    Tool.FETCH_URL,
    "Fetches a web page or an API's answer. HTML is turned into plain text. Which hosts may be asked is decided by the policy of this run.",
    {
        "type": "object",
        "properties": {
            "url": {"type": "string", "description": "http or https"},
            "method": {
                "type": "string",
                "enum": ["GET", "HEAD", "POST"],
                "description": "GET unless said otherwise; POST only where the policy allows it",
            },
            "headers": {"type": "object", "description": "further request headers; none that say who asks"},
            "body": {"type": "string", "description": "of a POST"},
            "maxChars": {
                "type": "integer",
                "description": "how much of the text is wanted; 50000 unless said otherwise, at most 100000",
            },
        },
        "required": ["url"],
        "additionalProperties": False,
    },
)
MAX_KEPT = 8
"""Files whose call has ended and that nobody has taken yet."""


def tools_of(plan: RunPlan) -> tuple[ToolDefinition, ...]:
    """What the gateway carries out for this run; without any, it is no server of the run's."""
    return (FETCH_URL,) if plan.fetch is not None else ()


class GatewayServer:
    """Implements `server.Server`. Each of its tools is a call of its own on the bus, by `_SUBJECTS`."""

    def __init__(self, bus: Bus, plan: RunPlan, attempt: int) -> None:
        self.name = GATEWAY_SERVER
        self.tools: asyncio.Future[tuple[ToolDefinition, ...]] = asyncio.get_running_loop().create_future()
        self.tools.set_result(tools_of(plan))
        self.manifest_error = ""
        self._bus, self._uid, self._attempt = bus, plan.uid, attempt
        self._under_way: dict[str, asyncio.Task[ToolResult]] = {}
        self._files: dict[str, bytes] = {}

    async def watch(self) -> None:
        """Nothing appears by itself."""

    async def call(self, request: ToolRequest) -> ToolResult:
        asking = asyncio.ensure_future(self._ask(request))
        self._under_way[request.id] = asking
        try:
            return await asking
        except asyncio.CancelledError:
            if asking.cancelled() and not _is_cancelled():
                return ToolResult(request.id, "unknown", "cancelled while it was under way; it may have happened")
            raise
        except Temporary as error:
            if isinstance(error, NoResponders):
                return ToolResult(request.id, "error", "no gateway is there to carry it out; try again in a moment")
            return ToolResult(request.id, "timeout" if error.reason == "Timeout" else "error", str(error))
        except SympoziumError as error:
            return ToolResult(request.id, "denied" if error.reason == "BudgetExceeded" else "error", str(error))
        finally:
            del self._under_way[request.id]

    async def _ask(self, request: ToolRequest) -> ToolResult:
        told = {"attempt": self._attempt, "call": request.id, "arguments": dict(request.arguments)}
        subject = subjects.request(self._uid, _SUBJECTS[request.tool])
        parts: list[bytes] = []
        async with aclosing(
            call(self._bus, subject, json.dumps(told).encode(), deadline=request.deadline or time.time() + 60)
        ) as items:
            async for item in items:
                parts.append(item)
        return self._result(request.id, json.loads(parts[0]), b"".join(parts[1:]))

    def _result(self, call: str, told: Mapping[str, Any], data: bytes) -> ToolResult:
        name = told.get("artifact")
        if name:
            self._files[call] = data
            for old in list(self._files)[:-MAX_KEPT]:
                del self._files[old]
        return ToolResult(
            call, told["status"], told["content"], truncated=bool(told.get("truncated")), artifacts=(name,) if name else ()
        )

    def artifact(self, call: str, name: str, limit: int) -> bytes:
        data = self._files.pop(call, None)
        if data is None:
            raise FileNotFoundError(name)
        if len(data) > limit:
            raise OSError(f"{len(data)} bytes, more than the {limit} that are left")
        return data

    def cancel(self, call: str) -> None:
        if call in self._under_way:
            self._under_way[call].cancel()

    def finish(self) -> None:
        """It serves other runs."""

    def close(self) -> None:
        self._files.clear()


_SUBJECTS: Mapping[str, str] = {Tool.FETCH_URL: subjects.FETCH}


def _is_cancelled() -> bool:
    """Whether it is this task that was cancelled, and not only the one that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
