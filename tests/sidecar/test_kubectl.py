"""What of a model's words becomes a word of kubectl's, and what is said when kubectl fails. kubectl itself is tried in ``tests/kubernetes``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.sidecar import kubectl
from sympozium_core.sidecar.command import Finished
from sympozium_core.sidecar.definition import BadArguments

CHECKS = [kubectl.kind_word, kubectl.name_word, kubectl.namespace_flag, kubectl.selector_flags, kubectl.since_flags]


@given(st.sampled_from(CHECKS), st.text(min_size=1, max_size=40))
def test_nothing_becomes_an_option_or_a_second_word(check: object, text: str) -> None:
    try:
        made = check(text)  # type: ignore[operator]
    except BadArguments:
        return
    for word in [made] if isinstance(made, str) else made:
        assert word.startswith(("--namespace=", "--selector=", "--since=")) or not word.startswith("-")
        assert "\n" not in word
        assert "\0" not in word


def test_where_a_tool_looks_when_it_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kubectl.own_namespaces({"SKILL_NAMESPACES": " payments, orders,"}) == ("payments", "orders")
    assert kubectl.is_narrowed({"SKILL_NAMESPACES": "payments"})
    assert not kubectl.is_narrowed({"SKILL_NAMESPACES": " ,"})
    monkeypatch.setenv("SKILL_NAMESPACES", "payments")
    assert kubectl.namespace_flag("") == "--namespace=payments"
    assert kubectl.namespace_flag("orders") == "--namespace=orders"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ('Error from server (Forbidden): pods is forbidden: User "x" cannot list', "no right"),
        ('Error from server (NotFound): pods "x" not found', "List what there is"),
        ('error: the server doesn\'t have a resource type "x"', "plural"),
        ("error: Metrics API not available", "no metrics-server"),
        ('previous terminated container "main" in pod "x" not found', "without previous"),
        ("something else", "something else"),
    ],
)
def test_what_kubectl_says_comes_with_what_to_try(said: str, hint: str) -> None:
    assert hint in kubectl.explained(Finished(1, "", said), ("get",), 30)
    assert "took longer than 30 s" in kubectl.explained(Finished(137, "", "", timed_out=True), ("get",), 30)
