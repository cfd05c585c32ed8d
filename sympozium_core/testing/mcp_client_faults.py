"""Part of `mcp_client.McpClientContract`: whatever a server makes of it, the call ends, with an error that people can act on and that betrays nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sympozium_core.contracts.mcp import McpHeader
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.testing.mcp_client_case import McpCase
from sympozium_core.testing.mcp_client_server import (
    JSON,
    STREAM,
    Answer,
    HttpServer,
    Say,
    Seen,
    Stall,
    error,
    result,
    stream,
    tool,
    whole,
)
from sympozium_core.testing.mcp_client_sse import SseServer

GARBAGE: Mapping[str, bytes] = {
    "nothing": b"",
    "words": b"Internal error, please hold",
    "page": b"<!doctype html><title>Sign in</title>",
    "null": b"null",
    "number": b"17",
    "list": b"[]",
    "empty": b"{}",
    "half": b'{"jsonrpc": "2.0", "id": 1, "result": {"tools": [',
    "no-text": b"\xff\xfe\x00{",
    "deep": b"[" * 200_000,
    "nan": b'{"jsonrpc": "2.0", "id": NaN, "result": {}}',
}
WRONG: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "null": lambda request: result(request, None),
    "list": lambda request: result(request, []),
    "empty": lambda request: result(request, {}),
    "tools-are-one": lambda request: result(request, {"tools": tool("add")}),
    "tools-are-names": lambda request: result(request, {"tools": ["add"]}),
    "neither": lambda request: {"jsonrpc": "2.0", "id": request["id"]},
    "other-protocol": lambda request: {"id": request["id"], "result": {"tools": [tool("add")]}},
}
BAD: Mapping[str, object] = {
    "no-name": {"inputSchema": {"type": "object"}},
    "name-is-a-number": tool("x", "Text.") | {"name": 17},
    "name-is-null": tool("x") | {"name": None},
    "described-by-a-list": tool("x") | {"description": ["a"]},
    "annotated-by-a-list": tool("x") | {"annotations": [True]},
    "hint-is-an-object": tool("x") | {"annotations": {"readOnlyHint": {"a": 1}}},
    "null": None,
}
KEY = "hidden-key-that-nobody-may-see"


class FaultChecks:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 429, 500, 503])
    async def test_a_status_is_said(self, case: McpCase, status: int) -> None:
        wire = HttpServer(tool("add"))
        wire.instead = dict.fromkeys(
            ("initialize", "server/discover"), lambda seen: Answer(status, {"content-type": "text/html"})
        )
        assert str(status) in str(await case.failure(wire))

    @pytest.mark.parametrize("status", [401, 404, 500])
    async def test_a_status_within_a_session_is_a_failure(self, case: McpCase, status: int) -> None:
        await case.failure(HttpServer(tool("add"), instead={"tools/list": lambda seen: Answer(status)}))

    @pytest.mark.parametrize("status", [200, 400])
    @pytest.mark.parametrize("method", ["initialize", "tools/list"])
    async def test_what_the_server_says_is_passed_on(self, case: McpCase, method: str, status: int) -> None:
        wire = HttpServer(tool("add"))
        wire.instead = {method: lambda seen: whole(error(seen.message, -32603, "the licence ran out on Monday"), status)}
        assert "the licence ran out on Monday" in str(await case.failure(wire))

    async def test_why_there_is_no_exchange_is_passed_on(self, case: McpCase) -> None:
        """It is who refuses an address, and has the hint what to do about it."""

        def refuse(seen: Seen) -> Answer:
            raise Permanent("it is not asked: 10.0.0.7 is private", hint="a policy may list a range")

        wire = HttpServer(tool("add"), instead=dict.fromkeys(("initialize", "server/discover"), refuse))
        said = str(await case.failure(wire))
        assert "it is not asked: 10.0.0.7 is private" in said
        assert "a policy may list a range" in said

    async def test_an_error_names_the_server(self, case: McpCase) -> None:
        wire = HttpServer(instead={"tools/list": lambda seen: whole(error(seen.message, -32603, "no"))})
        assert "calculator-of-acme" in str(await case.failure(wire, name="calculator-of-acme"))

    @pytest.mark.parametrize("garbage", GARBAGE)
    @pytest.mark.parametrize("method", ["initialize", "tools/list"])
    async def test_garbage_is_a_failure(self, case: McpCase, method: str, garbage: str) -> None:
        await case.failure(HttpServer(tool("add"), instead={method: lambda seen: whole(GARBAGE[garbage])}))

    @pytest.mark.parametrize("garbage", ["words", "list", "half", "no-text"])
    async def test_garbage_in_a_stream_is_a_failure(self, case: McpCase, garbage: str) -> None:
        said = b"data: " + GARBAGE[garbage] + b"\n\n"
        await case.failure(HttpServer(tool("add"), instead={"tools/list": lambda seen: stream(said)}))

    @pytest.mark.parametrize("wrong", WRONG)
    async def test_a_result_of_another_shape_is_a_failure(self, case: McpCase, wrong: str) -> None:
        await case.failure(HttpServer(instead={"tools/list": lambda seen: whole(WRONG[wrong](seen.message))}))

    @pytest.mark.parametrize("kind", ["text/html", "", "application/octet-stream"])
    async def test_an_answer_of_another_kind_is_a_failure(self, case: McpCase, kind: str) -> None:
        wire = HttpServer(tool("add"))

        def says(seen: Seen) -> Answer:
            said = whole(wire.found(seen.message))
            said.headers = {"content-type": kind} if kind else {}
            return said

        wire.instead = {"tools/list": says}
        await case.failure(wire)

    async def test_an_answer_to_something_else_is_none(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        other = result({"id": "another"}, {"tools": [tool("of-another")]})
        wire.instead = {"tools/list": lambda seen: whole(other)}
        await case.failure(wire)

    async def test_a_request_without_an_answer_fails_in_its_time(self, case: McpCase) -> None:
        """The caller has more time than one request."""
        wire = HttpServer(tool("add"), instead={"tools/list": lambda seen: Answer(202)})
        await case.failure(wire)
        wire = HttpServer(tool("add"), instead={"tools/list": lambda seen: stream(b": wait\n\n", Stall())})
        await case.failure(wire)
        assert wire.open == 0

    @pytest.mark.parametrize("kind", [JSON, STREAM])
    @pytest.mark.parametrize("method", ["initialize", "tools/list"])
    async def test_an_answer_that_breaks_off_is_a_failure(self, case: McpCase, method: str, kind: str) -> None:
        broken = Temporary("MCP server tools-of-acme broke off its answer", reason="ToolError")

        def says(seen: Seen) -> Answer:
            text = b'{"jsonrpc": "2.0", "id": '
            return Answer(200, {"content-type": kind}, [text if kind == JSON else b"data: " + text, broken])

        await case.failure(HttpServer(tool("add"), instead={method: says}))

    async def test_a_stream_that_ends_without_an_answer_is_a_failure(self, case: McpCase) -> None:
        await case.failure(HttpServer(tool("add"), instead={"tools/list": lambda seen: stream(b": bye\n\n")}))

    @pytest.mark.parametrize("bad", BAD)
    async def test_a_bad_tool_is_an_error_or_left_out(self, case: McpCase, bad: str) -> None:
        wire = HttpServer()
        wire.pages = [[tool("add"), BAD[bad], tool("wipe")]]
        found = await case.failure_or(wire)
        assert [each for each in found if each.name not in ("add", "wipe")] == []
        assert {type(each.name) for each in found} <= {str}

    @pytest.mark.parametrize("version", ["1999-12-31", "", None, 20250618])
    async def test_a_version_that_nobody_knows_is_a_failure(self, case: McpCase, version: Any) -> None:
        wire = HttpServer(tool("add"))
        wire.version = version
        await case.failure(wire)
        assert not wire.of("tools/list"), "it asks on in a version that it does not know"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_redirects_are_not_followed(self, case: McpCase, status: int) -> None:
        """Those that may be followed the exchange has followed; an address that another server names gets nothing."""
        wire = HttpServer(tool("add"))
        to = {"location": "https://elsewhere.example/mcp2", "content-type": "text/html"}
        wire.instead = dict.fromkeys(("initialize", "server/discover"), lambda seen: Answer(status, to))
        await case.failure(wire)
        assert {seen.path for seen in wire.seen} == {wire.path}, "it asks where it was sent"

    async def test_it_works_again_after_a_failure(self, case: McpCase) -> None:
        for said in (whole(b"nonsense"), Answer(500), stream(b"data: nonsense\n\n")):
            await case.failure(HttpServer(instead={"tools/list": lambda seen, said=said: said}))  # type: ignore[misc]  # bound
        assert await case.names(HttpServer(tool("add"))) == ["add"]

    async def test_no_error_and_no_log_shows_a_credential(self, case: McpCase) -> None:
        """The query of an address may be one, and what headers say is."""
        assert case.caplog is not None
        case.caplog.set_level(logging.INFO)
        headers = (McpHeader("X-Api-Key", f"{KEY}-1"), McpHeader("Authorization", f"Bearer {KEY}-2"))
        answers: list[Say] = [
            lambda seen: Answer(401),
            lambda seen: Answer(307, {"location": "https://elsewhere.example/"}),
            lambda seen: whole(b"nonsense"),
            lambda seen: whole(error(seen.message, -32603, "no")),
            lambda seen: stream(b"data: nonsense\n\n"),
            lambda seen: stream(Temporary("it broke off")),
        ]
        for transport in (HttpServer, SseServer):
            for method in ("initialize", "GET") if transport is SseServer else ("initialize", "tools/list"):
                for say in answers:
                    wire = transport(tool("add"), instead={method: say})
                    wire.secret = f"token={KEY}-3"
                    assert KEY not in await case.shown(wire, headers=headers, timeout=1), (
                        f"its error shows it; asked was {wire.methods}"
                    )
        assert KEY not in case.logged(), "it is in a log"
