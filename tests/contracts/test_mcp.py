"""How tools of MCP servers are named and chosen, and what of a server goes where."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.contracts.mcp import (
    Annotations,
    McpHeader,
    McpServer,
    annotations_of,
    offered_name,
    server_from_json,
    server_from_told,
    told,
)
from sympozium_core.contracts.plan import to_json

SERVER = McpServer(
    "github",
    "http",
    "https://mcp.example.com/v1/mcp?key=hidden",
    "default",
    "gh",
    headers=(McpHeader("Authorization", "Bearer ", "github", "token"),),
    allow=(("get_*", "delete"), ("*e*",)),
    deny=("get_secret",),
    annotations={"get_issue": Annotations(read_only=True)},
)


def test_a_plan_is_read_as_it_was_written() -> None:
    assert server_from_json(json.loads(json.dumps(to_json(SERVER)))) == SERVER


def test_the_sidecar_learns_nothing_that_lets_it_in() -> None:
    text = json.dumps(told(SERVER))
    for hidden in ("hidden", "Bearer", "Authorization", "token"):
        assert hidden not in text
    found = server_from_told(json.loads(text))
    assert (found.name, found.path, found.origin) == ("github", "/v1/mcp", "https://mcp.example.com")
    assert found.lists("get_issue")
    assert not found.lists("get_secret")


def test_every_list_has_to_have_a_tool() -> None:
    listed = [tool for tool in ("get_issue", "get_x", "delete", "create", "get_secret") if SERVER.lists(tool)]
    assert listed == ["get_issue", "get_x", "delete"]
    assert replace(SERVER, allow=(("get_*",), ("*e*",), ())).lists("get_issue") is False
    assert replace(SERVER, allow=(), deny=()).lists("anything at all")


@given(st.text(max_size=200), st.text(max_size=200))
def test_names_are_what_vendors_take_and_stay_apart(one: str, other: str) -> None:
    names = [offered_name("gh", one), offered_name("gh", other)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in names)
    if one != other and min(len(one), len(other)) > 61:
        assert names[0] != names[1]


def test_names_that_are_plain_stay_as_they_are() -> None:
    assert offered_name("gh", "get_issue") == "gh_get_issue"
    assert offered_name("gh", "issues.get/all") == "gh_issues_get_all"


def test_what_nobody_says_is_what_mcp_takes_for_granted() -> None:
    usual = {"readOnly": False, "destructive": True, "idempotent": False, "openWorld": True}
    assert annotations_of([SERVER], "gh_delete").facts() == usual
    assert annotations_of([SERVER], "gh_get_issue").facts() == {
        **usual,
        "readOnly": True,
        "destructive": False,
        "idempotent": True,
    }
