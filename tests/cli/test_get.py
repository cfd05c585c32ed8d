from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest


@pytest.fixture(scope="module")
def two(server: Any) -> Any:
    """A namespace with two instances, which these tests only read."""
    cli = replace(server, namespace="two")
    first, second = cli.instance("first"), cli.instance("second", policy="restrictive")
    first["metadata"]["labels"] = {"team": "a"}
    second["metadata"]["labels"] = {"team": "b"}
    cli.apply(first, second)
    return cli


def test_a_table(two: Any) -> None:
    rows = two.here("get", "instances").rows
    assert rows[0] == ["NAME", "PHASE", "ACTIVE AGENTS", "TOTAL RUNS", "AGE"]
    assert [row[0] for row in rows[1:]] == ["first", "second"]


def test_wide_shows_what_either_spelling_says(two: Any) -> None:
    rows = two.here("get", "si", "-o", "wide").rows
    assert rows[0] == ["NAME", "PHASE", "ACTIVE AGENTS", "TOTAL RUNS", "MODEL", "POLICY", "AGE"]
    assert [row[4:6] for row in rows[1:]] == [["practice", "permissive"], ["practice", "restrictive"]]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_json_and_yaml(form: str, two: Any) -> None:
    listed = getattr(two.here("get", "si", "-o", form), form)
    assert (listed["kind"], [item["metadata"]["name"] for item in listed["items"]]) == ("List", ["first", "second"])
    assert {item["kind"] for item in listed["items"]} == {"SympoziumInstance"}
    one = getattr(two.here("get", "si", "first", "-o", form), form)
    assert (one["kind"], one["metadata"]["name"]) == ("SympoziumInstance", "first")
    assert getattr(two.here("get", "si/first", "-o", form), form) == one
    assert getattr(two.here("get", "si", "-l", "team=none", "-o", form), form)["items"] == []


def test_names(two: Any) -> None:
    assert two.here("get", "si", "-o", "name").out.split() == [
        "sympoziuminstance.sympozium.ai/first",
        "sympoziuminstance.sympozium.ai/second",
    ]


@pytest.mark.parametrize(
    ("selector", "found"),
    [("team=a", ["first"]), ("team!=a", ["second"]), ("team in (a,b)", ["first", "second"]), ("!team", []), ("team=c", [])],
)
def test_labels_select(selector: str, found: list[str], two: Any) -> None:
    out = two.here("get", "si", "-l", selector, "-o", "name").out.split()
    assert [name.rpartition("/")[2] for name in out] == found
    assert two.here("instances", "list", "-l", selector, "-o", "name").out.split() == out


def test_namespaces_are_apart_and_A_shows_all(two: Any) -> None:
    nowhere = f"{two.namespace}-none"
    assert two("get", "si", "-n", nowhere).out == f"no sympoziuminstances in namespace {nowhere}\n"
    rows = two("get", "si", "-A").rows
    assert rows[0][:2] == ["NAMESPACE", "NAME"]
    assert [two.namespace, "first"] in [row[:2] for row in rows]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("sympoziuminstanc", "did you mean sympoziuminstance?"),
        ("ensemble", "it is called PersonaPack here"),
        ("pods", "one of sympoziuminstances, agentruns"),
    ],
)
def test_an_unknown_kind(word: str, said: str, cli: Any) -> None:
    done = cli.here("get", word, code=4)
    assert f"there is no kind '{word}'" in done.err
    assert said in done.err


def test_names_that_are_not_there_are_said_and_the_others_shown(two: Any) -> None:
    done = two.here("get", "si", "none", "first", "neither", "-o", "name", code=3)
    assert done.out == "sympoziuminstance.sympozium.ai/first\n"
    assert [line.split('"')[1] for line in done.err.splitlines()] == ["none", "neither"]
    assert two.here("get", "si", "none", code=3).out == ""


def test_a_broken_selector(cli: Any) -> None:
    assert "key=value" in cli.here("get", "si", "-l", "==", code=4).err


@pytest.mark.parametrize(
    "kind", ["si", "run", "pack", "skill", "pol", "sched", "mcp", "approval", "secret", "cm", "event", "ns", "lease"]
)
def test_every_kind_can_be_listed(kind: str, cli: Any) -> None:
    assert cli.here("get", kind, "-o", "json").json["kind"] == "List"
