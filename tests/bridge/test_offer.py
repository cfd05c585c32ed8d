"""Which tools are offered, as a table."""

from __future__ import annotations

import pytest

from sympozium_core.bridge.arguments import argument_error
from sympozium_core.bridge.offer import decide
from sympozium_core.contracts.plan import DeclaredTool, Limits, ModelRef, PodPlan, RunPlan, ToolServer
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.ipc.protocol import ToolDefinition


def plan(**changes):
    fields = {"native_tools": ("read_file",), "servers": (ToolServer("a"), ToolServer("b")), "tools": ToolPolicy(), **changes}
    model = ModelRef("p", "m")
    return RunPlan("u", "n", "r", "i", "t", "s", model, limits=Limits(), sandbox="process", pod=PodPlan(()), **fields)


def tool(name, **parameters):
    return ToolDefinition(name, f"does {name}", {"type": "object", **parameters})


def names(offer):
    return [(offered.definition.name, offered.server) for offered in offer.tools]


def test_native_tools_first_then_servers_in_skill_order():
    offer = decide(plan(), {"b": [tool("two")], "a": [tool("one")]})
    assert names(offer) == [("read_file", "native"), ("one", "a"), ("two", "b")]
    assert not offer.problems


def test_a_native_tool_keeps_its_name():
    offer = decide(plan(), {"a": [tool("read_file")], "b": [tool("read_file")]})
    assert names(offer) == [("read_file", "native")]
    assert offer.conflicts == ({"tool": "read_file", "servers": ["native", "a", "b"], "chosen": "native"},)


def test_what_the_policy_denies_is_not_offered():
    policy = ToolPolicy(rules=(ToolRule("one", "deny", "p"), ToolRule("two", "ask", "p")))
    offer = decide(plan(tools=policy), {"a": [tool("one"), tool("three")], "b": [tool("two")]})
    assert names(offer) == [("read_file", "native"), ("three", "a"), ("two", "b")]


def test_a_declared_tool_is_offered_in_the_plans_words_and_only_with_its_server():
    servers = (ToolServer("a", (DeclaredTool("one", "as declared"),)), ToolServer("b", (DeclaredTool("gone", ""),)))
    offer = decide(plan(servers=servers), {"a": [tool("one")]})
    assert [offered.definition.description for offered in offer.tools[1:]] == ["as declared"]
    assert offer.missing == ("b",)


@pytest.mark.parametrize(
    "bad",
    [
        tool("has.dot"),
        tool("x" * 65),
        tool("big", properties={"p": {"description": "x" * 40_000}}),
        ToolDefinition("list", "", {"type": "array"}),
    ],
)
def test_an_unsound_tool_is_left_out_and_named(bad):
    offer = decide(plan(), {"a": [bad, tool("good")], "b": []})
    assert names(offer)[1:] == [("good", "a")]
    assert len(offer.problems) == 1


@pytest.mark.parametrize(
    ("schema", "arguments", "fine"),
    [
        ({}, {"anything": 1}, True),
        ({"required": ["a"]}, {}, False),
        ({"properties": {"a": {"type": "integer"}}}, {"a": True}, False),
        ({"properties": {"a": {"type": "integer"}}}, {"a": 2.0}, True),
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}, True),
        ({"properties": {"a": {"type": "made-up"}}}, {"a": None}, True),
        ({"properties": {"a": {"enum": ["x"]}}}, {"a": "y"}, False),
        ({"properties": {}, "additionalProperties": False}, {"a": 1}, False),
        ({"properties": "rubbish", "required": "rubbish"}, {"a": 1}, True),
    ],
)
def test_arguments_are_checked_at_the_top(schema, arguments, fine):
    assert (argument_error(schema, arguments) == "") is fine
