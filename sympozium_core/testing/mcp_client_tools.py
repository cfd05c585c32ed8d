"""Part of `mcp_client.McpClientContract`: what a server has is what is found, in whichever of its forms the protocol lets it come."""

from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.contracts.mcp import MAX_PAGES, MAX_TOOLS, Annotations, Discovered, DiscoveredTool
from sympozium_core.testing.mcp_client_case import McpCase
from sympozium_core.testing.mcp_client_server import (
    VERSIONS,
    Answer,
    HttpServer,
    event,
    stream,
    tool,
    whole,
)

NAMES = ("add", "wipe.everything", "ns/of:tools", "Größe messen", "x" * 128, "acme_add", "__proto__")
TEXTS = {
    "lines": "one\ntwo\r\nthree\u2028four\u0085five",
    "marks": "e\u0301 \U0001f9e0 \u202eright to left\u202c \u0928\u093f",
    "events": "data: not\n\nevent: this\n\n",
    "controls": "\x00\x07\x1b[31mred\x1b[0m\x7f",
    "long": "x" * 100_000,
}
ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
HINTS = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
FIELDS = {
    "readOnlyHint": "read_only",
    "destructiveHint": "destructive",
    "idempotentHint": "idempotent",
    "openWorldHint": "open_world",
}


class ToolChecks:
    async def test_what_a_server_has_is_found(self, case: McpCase) -> None:
        found = await case.discover(HttpServer(tool("wipe", "Deletes."), tool("add", "Adds two numbers.")))
        assert [(each.name, each.description) for each in found.tools] == [("wipe", "Deletes."), ("add", "Adds two numbers.")]

    async def test_what_is_found_is_plain(self, case: McpCase) -> None:
        """It is written into a status by others."""
        found = await case.discover(HttpServer(tool("add", "Adds.", annotations=HINTS), tool("wipe")))
        assert type(found) is Discovered
        assert type(found.tools) is tuple
        for each in found.tools:
            assert (type(each), type(each.annotations)) == (DiscoveredTool, Annotations)
            assert {type(each.name), type(each.description), type(found.protocol), type(found.software)} == {str}
            assert {type(value) for value in vars(each.annotations).values()} == {bool}

    async def test_names_are_the_servers_own(self, case: McpCase) -> None:
        """No prefix, and no filter: the status shows what there is, and whoever offers the tools chooses among them."""
        wire = HttpServer(*map(tool, NAMES))
        assert await case.names(wire, prefix="acme", allow=(("add",),), deny=("wipe*",)) == list(NAMES)

    @pytest.mark.parametrize("text", TEXTS)
    async def test_descriptions_come_unchanged(self, case: McpCase, text: str) -> None:
        assert (await case.only(HttpServer(tool("add", TEXTS[text])))).description == TEXTS[text]

    @pytest.mark.parametrize("told", [{}, {"description": None}], ids=["missing", "null"])
    async def test_a_tool_that_is_not_described_has_no_description(self, case: McpCase, told: dict[str, Any]) -> None:
        assert (await case.only(HttpServer(tool("add", **told)))).description == ""

    @pytest.mark.parametrize("hint", HINTS)
    async def test_annotations_are_what_the_server_says(self, case: McpCase, hint: str) -> None:
        said = await case.only(HttpServer(tool("add", annotations={hint: HINTS[hint], "title": "Add"})))
        assert said.annotations == Annotations(**{FIELDS[hint]: HINTS[hint]})

    @pytest.mark.parametrize("said", [None, {}, {"title": "Add"}, dict.fromkeys(HINTS)], ids=["null", "none", "title", "nulls"])
    async def test_what_is_not_said_is_taken_for_granted(self, case: McpCase, said: dict[str, None] | None) -> None:
        """A tool of which nothing is known may destroy."""
        assert (await case.only(HttpServer(tool("add", annotations=said)))).annotations == Annotations()
        assert (await case.only(HttpServer(tool("add")))).annotations == Annotations()

    async def test_what_else_is_said_of_a_tool_does_no_harm(self, case: McpCase) -> None:
        """Servers are newer than clients."""
        more: dict[str, Any] = {
            "outputSchema": {"type": "object"},
            "icons": [],
            "_meta": {"a/b": 1},
            "title": "Add",
            "shape-of-2031": [1],
        }
        schema: object = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": ["integer", "null"]}},
        }
        assert await case.names(HttpServer({**tool("add", **more), "inputSchema": schema}, tool("wipe"))) == ["add", "wipe"]

    async def test_all_pages_are_asked_for(self, case: McpCase) -> None:
        """A page without tools says nothing of the next."""
        wire = HttpServer()
        wire.pages = [[tool("one"), tool("two")], [], [tool("three")], [tool("four")]]
        assert await case.names(wire) == ["one", "two", "three", "four"]
        assert len(wire.of("tools/list")) == len(wire.pages)

    async def test_cursors_are_given_back_as_they_came(self, case: McpCase) -> None:
        wire = HttpServer()
        wire.pages = [[tool("one")], [tool("two")], [tool("three")]]
        wire.cursors = lambda page: f' {page}+/="\\\né ' * 20
        assert await case.names(wire) == ["one", "two", "three"]
        assert "cursor" not in (wire.of("tools/list")[0].message.get("params") or {}), "a cursor before there is one"

    async def test_pages_that_never_end_are_not_all_asked_for(self, case: McpCase) -> None:
        wire = HttpServer()
        wire.pages = [[]] * (4 * MAX_PAGES)
        await case.failure_or(wire)
        assert len(wire.of("tools/list")) <= MAX_PAGES

    async def test_of_too_many_tools_the_first_are_told(self, case: McpCase) -> None:
        wire = HttpServer()
        wire.pages = [[tool(f"t{page}-{number}") for number in range(300)] for page in range(20)]
        every = [str(each["name"]) for page in wire.pages for each in page]  # type: ignore[index]  # it has just been made
        assert await case.names(wire) == every[:MAX_TOOLS]
        assert len(wire.of("tools/list")) <= 2, "it asks for what it does not tell"

    async def test_a_long_list_in_one_answer_is_read(self, case: McpCase) -> None:
        tools = [tool(f"t{number}", "x" * 4096) for number in range(MAX_TOOLS)]
        assert await case.names(HttpServer(*tools)) == [each["name"] for each in tools]

    async def test_a_server_without_tools_is_not_asked_for_any(self, case: McpCase) -> None:
        wire = HttpServer()
        wire.capabilities = {"prompts": {}}
        assert await case.names(wire) == []
        assert not wire.of("tools/list")

    async def test_a_server_may_have_no_tool_at_the_moment(self, case: McpCase) -> None:
        assert await case.names(HttpServer()) == []

    @pytest.mark.parametrize("end", ENDS)
    async def test_answers_in_streams_are_read(self, case: McpCase, end: str) -> None:
        wire = HttpServer(tool("add", "Adds."))
        wire.says = lambda said: stream(event(said, ENDS[end]))
        assert (await case.only(wire)).description == "Adds."

    async def test_events_may_have_fields_of_all_kinds(self, case: McpCase) -> None:
        """No kind is `message`; data of several lines are one; comments, and fields that nobody knows, are none of it."""

        def says(said: dict[str, object]) -> Answer:
            head, tail = event(said).decode().removeprefix("event: message\ndata: ").split('"jsonrpc"')
            return stream(f': here\n\n:\nid: 7\nretry: 10\nflavour: mint\ndata:{head}\ndata:"jsonrpc"{tail}'.encode())

        wire = HttpServer(tool("add"))
        wire.says = says
        assert await case.names(wire) == ["add"]

    @pytest.mark.parametrize("kind", ["json", "stream"])
    async def test_characters_torn_between_pieces_are_whole(self, case: McpCase, kind: str) -> None:
        def torn(said: dict[str, object]) -> Answer:
            answer = whole(said) if kind == "json" else stream(event(said, "\r\n"))
            (body,) = answer.parts
            assert isinstance(body, bytes)
            answer.parts = [body[place : place + 1] for place in range(len(body))]
            return answer

        wire = HttpServer(tool("größe", "\U0001f9e0 e\u0301"))
        wire.says = torn
        assert await case.only(wire) == DiscoveredTool("größe", "\U0001f9e0 e\u0301")

    async def test_other_messages_of_a_stream_are_no_answers(self, case: McpCase) -> None:
        """A server may tell and ask, with an id that happens to be the same, before it answers."""

        def says(said: dict[str, object]) -> Answer:
            asked = {"jsonrpc": "2.0", "id": said["id"], "method": "ping"}
            told = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "busy"}}
            return stream(event(told), event(asked), event(said))

        wire = HttpServer(tool("add"))
        wire.says = says
        assert await case.names(wire) == ["add"]

    async def test_what_the_server_is_and_speaks_is_told(self, case: McpCase) -> None:
        wire = HttpServer(tool("add"))
        wire.software = {"name": "warehouse", "version": "4.2", "title": "The warehouse"}
        found = await case.discover(wire)
        assert found.protocol == wire.version
        assert "warehouse" in found.software
        assert "4.2" in found.software

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_every_version_with_a_handshake_is_spoken(self, case: McpCase, version: str) -> None:
        wire = HttpServer(tool("add"))
        wire.version = version
        found = await case.discover(wire)
        assert found.protocol == version
        assert [each.name for each in found.tools] == ["add"]
