"""The tool server of what an agent asks of the control plane itself: a message to people, work for later.

No channel can be connected and no schedule acts in this version, so each call says that and what to do instead; an agent that knows the tools
by name, as those of the original do, is not left guessing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sympozium_core.ipc.protocol import ToolDefinition, ToolRequest, ToolResult
from sympozium_core.names import CONTROL_SERVER, Tool

SEND_CHANNEL_MESSAGE = ToolDefinition(
    Tool.SEND_CHANNEL_MESSAGE,
    "Sends a message to people through a channel that this agent is connected to.",
    {
        "type": "object",
        "properties": {
            "channel": {"type": "string", "description": "such as slack or telegram"},
            "text": {"type": "string"},
            "chatId": {
                "type": "string",
                "description": "whom to write to; the chat that the task came from, if it came from one",
            },
            "threadId": {"type": "string"},
        },
        "required": ["channel", "text"],
        "additionalProperties": False,
    },
)
SCHEDULE_TASK = ToolDefinition(
    Tool.SCHEDULE_TASK,
    "Creates, changes, suspends, resumes or deletes a task that is to be done later or again and again.",
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "lower-case letters, digits and '-'"},
            "action": {"type": "string", "enum": ["create", "update", "suspend", "resume", "delete"]},
            "schedule": {"type": "string", "description": "a cron line of five fields, such as 0 9 * * 1-5"},
            "task": {"type": "string", "description": "what is to be done"},
        },
        "required": ["name", "action"],
        "additionalProperties": False,
    },
)
_ANSWERS: Mapping[str, str] = {
    Tool.SEND_CHANNEL_MESSAGE: "not configured: no channel is connected to this agent; put what you would send into your answer",
    Tool.SCHEDULE_TASK: "not configured: nothing is scheduled here; say in your answer what should be done, and when",
}


class ControlServer:
    """Implements `server.Server`."""

    def __init__(self) -> None:
        self.name = CONTROL_SERVER
        self.tools: asyncio.Future[tuple[ToolDefinition, ...]] = asyncio.get_running_loop().create_future()
        self.tools.set_result((SEND_CHANNEL_MESSAGE, SCHEDULE_TASK))
        self.manifest_error = ""

    async def watch(self) -> None:
        """Nothing appears by itself."""

    async def call(self, request: ToolRequest) -> ToolResult:
        return ToolResult(request.id, "error", _ANSWERS[request.tool])

    def artifact(self, call: str, name: str, limit: int) -> bytes:
        raise FileNotFoundError(name)

    def cancel(self, call: str) -> None:
        """Every call has been answered."""

    def finish(self) -> None:
        """It serves other runs."""

    def close(self) -> None:
        """It holds nothing."""
