from __future__ import annotations

import pytest

from sympozium_core.names import LABEL_INSTANCE, LABEL_SOURCE
from sympozium_core.planning.factory import build_run, label_value
from sympozium_core.resources import load


def test_a_built_run_is_valid_and_says_where_it_came_from() -> None:
    run = build_run("agent", "Do it.", namespace="team", source="cli", spec={"timeout": "5m"})
    loaded = load.read(run).normal
    assert loaded["spec"]["task"] == "Do it."
    assert run["metadata"]["labels"] == {LABEL_INSTANCE: "agent", LABEL_SOURCE: "cli"}
    assert run["metadata"]["generateName"] == "agent-"


def test_nothing_is_copied_from_the_instance() -> None:
    assert set(build_run("agent", "x", namespace="n", source="cli")["spec"]) == {"instanceRef", "task"}


@pytest.mark.parametrize("length", [1, 63, 64, 200, 253])
def test_label_values_fit_and_differ(length: int) -> None:
    value = label_value("a" * length)
    assert len(value) <= 63
    assert label_value("a" * length + "b") != value or length < 63
