"""The skill `sre-observability` against a real Loki."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sympozium_core.testing.tool_client import ToolClient
from tests.observability.conftest import LINES

Serve = Callable[..., ToolClient]


@pytest.fixture
def sre(serve: Serve, loki: str) -> ToolClient:
    return serve(SKILL_LOKI_URL=loki)


def test_lines_of_several_streams_come_in_one_order(sre: ToolClient) -> None:
    head, *lines = sre.done("loki_query", query='{namespace="shop"}', last="5m").splitlines()
    assert 'namespace="shop"' in head
    assert "app" not in head, "what differs stands with each line"
    assert [line.partition("} ")[2] for line in lines] == [text for _, text in LINES]
    assert 'app="db"' in lines[2]


def test_lines_are_narrowed(sre: ToolClient) -> None:
    found = sre.done("loki_query", query='{app="web"} |= "error" | logfmt | attempt="2"', last="5m")
    assert found.splitlines()[-1].endswith(LINES[3][1])
    assert LINES[1][1] not in found
    newest = sre.done("loki_query", query='{namespace="shop"}', last="5m", lines=1)
    assert LINES[3][1] in newest
    assert "there may be more" in newest
    assert "No line" in sre.done("loki_query", query='{app="web"} |= "nothing like it"', last="5m")
    assert "No line" in sre.done("loki_query", query='{app="web"}', last="5m", ago="2h")


def test_lines_are_counted(sre: ToolClient) -> None:
    counted = sre.done("loki_query", query='sum by (app) (count_over_time({namespace="shop"}[5m]))', last="5m")
    assert '{app="web"} min ' in counted
    assert "max 3" in counted


def test_labels_and_their_values(sre: ToolClient) -> None:
    assert {"app", "namespace"} <= set(sre.done("loki_labels").splitlines())
    assert sre.done("loki_labels", label="app").splitlines() == ["db", "web"]
    assert "There are none" in sre.done("loki_labels", label="nothing")


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("loki_query", {"query": "{}"}, "refuses (400, the query is wrong)"),
        ("loki_query", {"query": '{app="web"', "last": "5m"}, "syntax error"),
        ("loki_query", {"query": "", "last": "5m"}, "1 to 4000"),
        ("loki_query", {"query": '{app="web"}', "lines": 501}, "1 to 500"),
        ("loki_labels", {"label": "../push"}, "name of a label"),
    ],
)
def test_what_does_not_fit_says_what_would(sre: ToolClient, tool: str, arguments: dict[str, Any], says: str) -> None:
    assert says in sre.refused(tool, **arguments)


def test_without_an_address_its_parameter_is_named(serve: Serve) -> None:
    assert "sre-observability.loki_url" in serve().refused("loki_labels")
