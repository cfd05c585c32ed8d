"""What the gate asks of a server of tools: a sidecar behind its volume (`tool_server`), or the control plane itself (`gateway_server`)."""

from __future__ import annotations

import asyncio
from typing import Protocol

from sympozium_core.ipc.protocol import ToolDefinition, ToolRequest, ToolResult


class Server(Protocol):
    """`watch` runs as a task for as long as the bridge does."""

    name: str
    tools: asyncio.Future[tuple[ToolDefinition, ...]]
    """What it serves, once it has said so."""
    manifest_error: str
    """Why it has not; empty while nothing is known to be wrong."""

    async def watch(self) -> None: ...

    async def call(self, request: ToolRequest) -> ToolResult:
        """Runs the call; answers for the server when it does not. Raises OSError."""

    def artifact(self, call: str, name: str, limit: int) -> bytes:
        """A file that the result of a call names. Raises OSError, or SympoziumError for one that is longer than `limit` bytes or none at all."""

    def cancel(self, call: str) -> None:
        """Nobody waits for this call any more; does nothing for one that is not under way."""

    def finish(self) -> None:
        """No more calls will come."""

    def close(self) -> None: ...
