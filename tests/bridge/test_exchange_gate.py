"""The sidecar for MCP has nothing sent to a server but what finds out about tools, and calls that came through the gate."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sympozium_core.bridge.exchange_gate import MAX_REPEATS, ExchangeGate
from sympozium_core.contracts.mcp import McpServer
from sympozium_core.ipc.protocol import ToolRequest

SERVER = McpServer("github", "http", "https://mcp.example.com/mcp", "default", "gh", deny=("drop",))
EVENTS = McpServer("old", "sse", "https://old.example.com/sse", "default", "old")


def posted(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def gate(*under_way: ToolRequest) -> ExchangeGate:
    return ExchangeGate([SERVER, EVENTS], lambda: under_way)


@pytest.mark.parametrize(
    "method", ["initialize", "notifications/initialized", "notifications/cancelled", "ping", "tools/list", "server/discover"]
)
def test_what_does_nothing_is_let_out(method: str) -> None:
    assert gate().refusal(SERVER, "POST", "/mcp", posted(method)) == ""


@pytest.mark.parametrize(
    ("body", "because"),
    [
        (posted("resources/read", uri="file:///etc/passwd"), "'resources/read' is not asked"),
        (posted("prompts/get", name="x"), "'prompts/get' is not asked"),
        (posted("logging/setLevel", level="debug"), "is not asked"),
        (posted("sampling/createMessage"), "is not asked"),
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[" + posted("ping") + b"]", "not one message"),
        (b'"tools/call"', "not one message"),
        (b"{}", "is no message"),
        (posted("tools/call"), "no such tool"),
        (posted("tools/call", name=["get"]), "no such tool"),
        (posted("tools/call", name="drop"), "no such tool"),
        (posted("tools/call", name="get", arguments={"id": 1}), "no call of gh_get with these arguments is under way"),
    ],
)
def test_what_is_not(body: bytes, because: str) -> None:
    assert because in gate(ToolRequest("c", "gh_drop", {})).refusal(SERVER, "POST", "/mcp", body)


def test_a_call_is_let_out_as_the_gate_has_seen_it() -> None:
    found = gate(ToolRequest("c1", "gh_get", {"id": 1, "x": None}))
    assert found.refusal(SERVER, "POST", "/mcp", posted("tools/call", name="get", arguments={"id": 1, "x": None})) == ""
    for arguments in ({"id": 2, "x": None}, {"id": 1}, {}, [1]):
        assert "with these arguments" in found.refusal(
            SERVER, "POST", "/mcp", posted("tools/call", name="get", arguments=arguments)
        )
    assert "under way" in found.refusal(
        EVENTS, "POST", "/messages", posted("tools/call", name="get", arguments={"id": 1, "x": None})
    )


def test_a_call_is_not_sent_again_and_again() -> None:
    found = gate(ToolRequest("c1", "gh_get", {}), ToolRequest("c2", "gh_get", {}))
    body = posted("tools/call", name="get", arguments={})
    assert [found.refusal(SERVER, "POST", "/mcp", body) for _ in range(2 * MAX_REPEATS)] == [""] * 2 * MAX_REPEATS
    assert found.refusal(SERVER, "POST", "/mcp", body)


@pytest.mark.parametrize(
    ("server", "method", "path", "let_out"),
    [
        (SERVER, "GET", "/mcp", True),
        (SERVER, "DELETE", "/mcp", True),
        (SERVER, "GET", "/admin", False),
        (SERVER, "POST", "/mcp/../admin", False),
        (SERVER, "PUT", "/mcp", False),
        (EVENTS, "GET", "/sse", True),
        (EVENTS, "POST", "/messages", True),
        (EVENTS, "GET", "/messages", False),
    ],
)
def test_where_servers_are_asked(server: McpServer, method: str, path: str, let_out: bool) -> None:
    body = posted("ping") if method == "POST" else b""
    assert (gate().refusal(server, method, path, body) == "") is let_out


def test_a_body_goes_with_post_alone() -> None:
    assert gate().refusal(SERVER, "DELETE", "/mcp", posted("ping"))


def test_answers_to_what_a_server_asks_are_let_out() -> None:
    assert (
        gate().refusal(SERVER, "POST", "/mcp", b'{"jsonrpc": "2.0", "id": 7, "error": {"code": -32601, "message": "no"}}') == ""
    )
