"""What the sidecar for MCP may have sent to a server: the talk that finds out about tools, and calls that came through the gate. Pure.

That sidecar reads what foreign servers write, and the gateway adds credentials to what it sends. So the bridge, which is the only gate for tools, is
that here too: a `tools/call` is let out when it is a call that the gate has let through and that is under way, with those arguments.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sympozium_core.contracts.mcp import McpServer, offered_name
from sympozium_core.ipc.protocol import ToolRequest

MAX_BODY = 1024 * 1024 + 64 * 1024
"""Bytes: a request of the file protocol, and what MCP puts around it."""
MAX_REPEATS = 2
"""How often one call may be sent: a second time where the server has forgotten the session."""
TALK = frozenset(
    ("initialize", "notifications/initialized", "notifications/cancelled", "ping", "server/discover", "tools/list")
)
"""Methods that do nothing."""


class ExchangeGate:
    """Of one attempt. `under_way` are the calls that the gate has handed to the sidecar."""

    def __init__(self, servers: Iterable[McpServer], under_way: Callable[[], Iterable[ToolRequest]]) -> None:
        self.servers = {server.name: server for server in servers}
        self._under_way = under_way
        self._sent: Counter[tuple[str, str]] = Counter()

    def refusal(self, server: McpServer, method: str, path: str, body: bytes) -> str:
        """Why an exchange is not carried out; empty where it is."""
        if method not in ("GET", "POST", "DELETE"):
            return f"{method[:16]} is no method of MCP"
        if path != server.path and not (server.transport == "sse" and method == "POST"):
            return "that is not where the server is asked"
        if method != "POST":
            return "a body does not go with this method" if body else ""
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return "the body is no JSON"
        return self._message(server, message) if isinstance(message, dict) else "the body is not one message"

    def _message(self, server: McpServer, message: Mapping[str, Any]) -> str:
        method = message.get("method")
        if method is None:
            return "" if "result" in message or "error" in message else "the body is no message"
        if method != "tools/call":
            return "" if method in TALK else f"{str(method)[:64]!r} is not asked of servers"
        asked = message.get("params")
        name = asked.get("name") if isinstance(asked, dict) else None
        if not isinstance(asked, dict) or not isinstance(name, str) or not server.lists(name):
            return "no such tool is called there"
        return self._call(server.name, offered_name(server.prefix, name), asked.get("arguments") or {})

    def _call(self, server: str, tool: str, arguments: Any) -> str:
        for request in self._under_way():
            key = (server, request.id)
            if request.tool == tool and dict(request.arguments) == arguments and self._sent[key] < MAX_REPEATS:
                self._sent[key] += 1
                return ""
        return f"no call of {tool} with these arguments is under way"
