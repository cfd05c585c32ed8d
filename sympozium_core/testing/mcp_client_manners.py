"""Part of `mcp_client.McpClientContract`: how it behaves before a server: what it says of itself, what it asks for, and that nothing stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from sympozium_core.contracts.mcp import McpHeader
from sympozium_core.testing.mcp_client_case import McpCase
from sympozium_core.testing.mcp_client_server import (
    FOREIGN,
    SESSION,
    Answer,
    HttpServer,
    Piece,
    Stall,
    error,
    event,
    stream,
    tool,
    whole,
)

NEEDED = {
    "server/discover",
    "initialize",
    "notifications/initialized",
    "tools/list",
    "notifications/cancelled",
    "GET",
    "DELETE",
}
"""What a discovery may ask for or say; an answer to what the server asks is another matter."""
BEFORE = ("server/discover", "initialize")
EVERYTHING = {"tools": {}, "prompts": {}, "resources": {"subscribe": True}, "logging": {}, "completions": {}, "tasks": {}}
HANGING: Mapping[str, Sequence[Piece]] = {"silent": [Stall()], "half": [b'{"jsonrpc": "2.0", ', Stall()]}


class MannerChecks:
    async def test_it_breaks_no_rule_of_the_protocol(self, case: McpCase) -> None:
        """Nothing but one message of JSON-RPC in each request, with the media types that it is sent as and read in, an id of its own, and an introduction."""
        wire = HttpServer(tool("add"))
        wire.pages = [[tool("one")], [tool("two")]]
        assert await case.names(wire) == ["one", "two"]
        assert wire.refusals == []

    async def test_it_is_ready_before_it_asks(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        await case.discover(wire)
        order = [each for each in wire.methods if each in ("initialize", "notifications/initialized", "tools/list")]
        assert order == ["initialize", "notifications/initialized", "tools/list"]

    async def test_every_request_of_a_session_names_it(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        await case.discover(wire)
        for seen in wire.seen:
            expected = None if seen.method in BEFORE else SESSION
            assert seen.headers.get("mcp-session-id") == expected, f"{seen.method} does not name the session as it should"

    async def test_every_request_of_a_session_names_the_version(self, case: McpCase) -> None:
        """The one that was agreed on, not the one that was asked for."""
        wire = HttpServer(tool("add"))
        wire.version = "2025-06-18"
        await case.discover(wire)
        for seen in wire.seen:
            if seen.method not in BEFORE:
                assert seen.headers.get("mcp-protocol-version") == "2025-06-18", f"{seen.method} does not name the version"

    async def test_the_session_is_ended(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        await case.discover(wire)
        assert wire.methods.count("DELETE") == 1
        assert wire.methods[-1] == "DELETE", "it asks in a session that it has ended"

    async def test_the_session_is_ended_after_a_failure(self, case: McpCase) -> None:
        wire = HttpServer(instead={"tools/list": lambda seen: whole(error(seen.message, -32603, "no"))})
        await case.failure(wire)
        assert wire.methods.count("DELETE") == 1

    @pytest.mark.parametrize("status", [405, 404, 500])
    async def test_a_session_that_cannot_be_ended_is_no_failure(self, case: McpCase, status: int) -> None:
        """A server need not let clients end it, and may have forgotten it by then."""
        wire = HttpServer(tool("add"), instead={"DELETE": lambda seen: Answer(status)})
        assert await case.names(wire) == ["add"]

    async def test_where_there_is_no_session_none_is_ended(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        wire.session = ""
        assert await case.names(wire) == ["add"]
        assert "DELETE" not in wire.methods
        assert not [seen for seen in wire.seen if "mcp-session-id" in seen.headers]

    async def test_it_asks_for_nothing_else(self, case: McpCase) -> None:
        """A server is looked at every two minutes: it is neither to run a tool for that, nor to list what nobody reads."""
        wire = HttpServer(tool("add"))
        wire.capabilities = EVERYTHING
        await case.discover(wire)
        assert set(wire.methods) <= NEEDED
        assert wire.methods.count("tools/list") == 1

    async def test_it_claims_no_abilities(self, case: McpCase) -> None:
        """There is no model, no person and no folder behind it."""
        wire = HttpServer(tool("add"))
        await case.discover(wire)
        (hello,) = wire.of("initialize")
        claimed = {"sampling", "elicitation", "roots", "tasks"} & hello.message["params"]["capabilities"].keys()
        assert not claimed, f"it says that it can do {claimed}"

    async def test_what_a_server_wants_of_it_is_refused(self, case: McpCase) -> None:
        """One that asks may wait for its answer before it gives its own."""
        wire = HttpServer(tool("add"))
        asked = {
            "jsonrpc": "2.0",
            "id": "wanted",
            "method": "sampling/createMessage",
            "params": {"messages": [], "maxTokens": 1},
        }
        wire.instead = {
            "tools/list": lambda seen: stream(event(asked), wire.heard, event(wire.found(seen.message))),
            "GET": lambda seen: Answer(405),
        }
        assert await case.names(wire) == ["add"]
        (answer,) = wire.answered
        assert answer["id"] == "wanted"
        assert "error" in answer, "it says what nobody has said"

    async def test_it_adds_no_credentials(self, case: McpCase) -> None:
        """They are the exchange's to add: what a client is told of headers is for nobody else."""
        wire = HttpServer(tool("add"))
        headers = (McpHeader("X-Api-Key", "k-1"), McpHeader("Authorization", "Bearer ", "keys", "token"))
        await case.discover(wire, headers=headers)
        for seen in wire.seen:
            sent = set(FOREIGN) & {name for name in seen.headers if name != "host"}
            assert not sent, f"it sends {', '.join(sent)}"

    async def test_it_asks_at_the_servers_own_address(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        wire.path, wire.url = "/v1/teams/a%2Fb/mcp/", "https://tools.example/v1/teams/a%2Fb/mcp/"
        await case.discover(wire)
        assert {seen.path for seen in wire.seen} == {wire.path}

    async def test_every_exchange_is_left(self, case: McpCase) -> None:
        """A stream for what a server has to say may be opened; with the discovery it ends."""
        wire = HttpServer(tool("add"), instead={"GET": lambda seen: stream(Stall())})
        wire.says = lambda said: stream(event(said), Stall())
        assert await case.names(wire) == ["add"]
        assert wire.open == 0, "an exchange is still open"

    @pytest.mark.parametrize("way", HANGING)
    @pytest.mark.parametrize("method", ["initialize", "tools/list"])
    async def test_cancelling_leaves_every_exchange(self, case: McpCase, method: str, way: str) -> None:
        wire = HttpServer(tool("add"))
        wire.instead = {method: lambda seen: Answer(200, {"content-type": "application/json"}, HANGING[way])}
        task = asyncio.create_task(case.client.discover(case.plan(wire, timeout=3600), wire))
        await wire.until(lambda: method in wire.methods, f"{method} is asked", case.seconds)
        task.cancel()
        await asyncio.wait([task], timeout=case.seconds)
        assert task.done(), "it goes on although it was cancelled"
        assert task.cancelled(), f"it makes something else of being cancelled: {task.exception()!r}"
        assert wire.open == 0, "an exchange is still open"

    async def test_nothing_goes_on_afterwards(self, case: McpCase) -> None:
        before = asyncio.all_tasks()
        wire = HttpServer(tool("add"), instead={"GET": lambda seen: stream(Stall())})
        await case.discover(wire)
        left = asyncio.all_tasks() - before
        await asyncio.wait(left, timeout=1.0) if left else None
        assert not [task for task in left if not task.done()], "tasks of it go on"

    async def test_discoveries_at_once_are_not_mixed(self, case: McpCase) -> None:
        wires = [HttpServer() for _ in range(8)]
        for number, wire in enumerate(wires):
            wire.session, wire.version = f"session-{number}", ("2025-06-18", "2025-11-25")[number % 2]
            wire.pages = [[tool(f"t{number}-{page}")] for page in range(3)]
        found = await asyncio.gather(*(case.names(wire) for wire in wires))
        assert found == [[f"t{number}-{page}" for page in range(3)] for number in range(8)]
        assert [wire.refusals for wire in wires] == [[]] * 8

    async def test_each_discovery_is_a_new_one(self, case: McpCase) -> None:
        """What a server has by now is what is asked for."""
        assert await case.names(HttpServer(tool("add"))) == ["add"]
        wire = HttpServer(tool("wipe"))
        wire.session = "another"
        assert await case.names(wire) == ["wipe"]
        assert wire.refusals == []
