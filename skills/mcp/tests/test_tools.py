"""What servers offer and answer, taken as what it is: somebody else's words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
    Tool,
)
from sympozium_skill_mcp import tools

from sympozium_core.contracts.mcp import McpServer
from sympozium_core.ipc.layout import MAX_MANIFEST, MAX_TOOLS
from sympozium_core.sidecar.calls import Call

SERVER = McpServer("calc", "http", "https://example.com/mcp", "default", "calc", deny=("drop",))
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def tool(name: str, **fields: Any) -> Tool:
    return Tool(**{"name": name, "input_schema": SCHEMA, **fields})


def text(content: str) -> TextContent:
    return TextContent(type="text", text=content)


def test_what_is_wanted_is_offered_under_its_prefix() -> None:
    found, problems = tools.definitions(SERVER, [tool("add", description="Adds."), tool("drop"), tool("a.b", title="A and b")])
    assert {name: definition.name for name, definition in found.items()} == {"add": "calc_add", "a.b": "calc_a_b"}
    assert (found["add"].description, found["a.b"].description) == ("Adds.", "A and b")
    assert found["add"].parameters == SCHEMA
    assert problems == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": {"x": {"description": "y" * 40_000}}},
    ],
)
def test_one_that_cannot_be_offered_costs_the_others_nothing(schema: dict[str, Any]) -> None:
    found, (problem,) = tools.definitions(SERVER, [tool("bad", input_schema=schema), tool("good")])
    assert list(found) == ["good"]
    assert "tool 'bad' is not offered" in problem


def test_descriptions_are_cut_and_manifests_stay_within_their_bounds() -> None:
    long = [tool(f"t{number}", description="x" * 100_000) for number in range(3 * MAX_TOOLS)]
    found, _ = tools.definitions(SERVER, long)
    kept = tools.within_bounds((SERVER, name, definition) for name, definition in found.items())
    assert len(kept) == MAX_TOOLS
    assert sum(len(str(definition.to_json())) for *_, definition in kept) < MAX_MANIFEST


def test_the_first_of_a_name_counts() -> None:
    found, _ = tools.definitions(SERVER, [tool("a.b"), tool("a_b")])
    kept = tools.within_bounds((SERVER, name, definition) for name, definition in found.items())
    assert [name for _, name, _ in kept] == ["a.b"]


def test_a_result_is_text_with_files_beside_it(call: Call) -> None:
    image = base64.b64encode(b"image").decode()
    result = CallToolResult(
        content=[
            text("one"),
            ImageContent(type="image", data=image, mime_type="image/png"),
            AudioContent(type="audio", data="no base64!", mime_type="audio/wav"),
            ResourceLink(type="resource_link", name="page", uri="https://example.com/page"),
            EmbeddedResource(type="resource", resource=TextResourceContents(uri="demo://text", text="two")),
            EmbeddedResource(type="resource", resource=BlobResourceContents(uri="demo://blob", blob=image)),
        ]
    )
    found = tools.outcome(result, call)
    assert found.status == "ok"
    assert found.content.splitlines() == [
        "one",
        "[image/png of 5 bytes: file c1-1.png]",
        "[audio/wav, which cannot be read]",
        "[page: https://example.com/page]",
        "[demo://text]",
        "two",
        "[ of 5 bytes: file c1-2.bin]",
    ]
    assert found.artifacts == ("c1-1.png", "c1-2.bin")


def test_too_many_files_are_not_kept(call: Call) -> None:
    many: list[Any] = [ImageContent(type="image", data="aGk=", mime_type="image/png") for _ in range(100)]
    found = tools.outcome(CallToolResult(content=many), call)
    assert len(found.artifacts) == tools.MAX_FILES
    assert found.content.count("too much to keep") == 100 - tools.MAX_FILES


def test_an_error_is_one_and_structure_stands_in_for_text(call: Call) -> None:
    assert tools.outcome(CallToolResult(content=[text("no")], is_error=True), call).status == "error"
    assert tools.outcome(CallToolResult(content=[], structured_content={"a": 1}), call).content == '{"a": 1}'
    assert tools.outcome(CallToolResult(content=[]), call).content == ""
