from __future__ import annotations

from typing import Any

import pytest

from sympozium_core.planning.policy_lint import findings
from sympozium_core.resources import load
from sympozium_core.resources.builtin import POLICIES, builtin_policy


def linted(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Where, as the writer spelt it, and what."""
    policy = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy", "metadata": {"name": "p"}, "spec": spec}
    loaded = load.read(policy)
    return [(loaded.as_written(path), message) for path, message, _ in findings(loaded.normal["spec"])]


def rules(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"toolGating": {"rules": [{"tool": tool, "action": action} for tool, action in pairs]}}


def when(*lines: str) -> dict[str, Any]:
    """Rules from ``tool: action if condition``."""
    found = []
    for line in lines:
        tool, rest = line.split(": ")
        action, _, condition = rest.partition(" if ")
        found.append({"tool": tool, "action": action, **({"when": condition} if condition else {})})
    return {"toolGating": {"rules": found}}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (rules(("read_*", "allow"), ("read_file", "deny")), "spec.toolGating.rules[1]", "read_*: allow is found first"),
        (rules(("*", "deny"), ("memory_*", "allow")), "spec.toolGating.rules[1]", "*: deny is found first"),
        (rules(("read_file", "deny"), ("read_file", "deny")), "spec.toolGating.rules[1]", "never decides"),
        (rules(("execute_comand", "deny")), "spec.toolGating.rules[0].tool", "execute_comand is no tool"),
        (
            {"template": "Restrictive", "toolGating": {"defaultAction": "allow"}},
            "spec.toolGating.defaultAction",
            "the template's deny",
        ),
        (
            {"featureGates": {"file-access": False}, **rules(("read_file", "allow"))},
            "spec.featureGates.file-access",
            "read_file: allow is found first for read_file",
        ),
        (when("execute_command: deny", "execute_command: allow if args.x == 1"), "spec.toolGating.rules[1]", "never decides"),
        (
            when("execute_command: deny if args.x == 1", "execute_command: allow if args.x == 1"),
            "spec.toolGating.rules[1]",
            "never decides",
        ),
        (
            when("execute_command: allow if args.x == 1", "execute_command: deny if args.x == 1"),
            "spec.toolGating.rules[1]",
            "decides only where its condition cannot be told",
        ),
        (
            when("deploy: allow if argv[0] == 'x'"),
            "spec.toolGating.rules[0].when",
            "only execute_command has an argv, so the rule lets none through",
        ),
        (when("deploy: ask if argv[0] == 'x'"), "spec.toolGating.rules[0].when", "so the rule says ask for every call"),
        (when("deploy: deny if 1 == 2"), "spec.toolGating.rules[0].when", "is false whatever the call is"),
        (
            when("*_file: deny if args.path == 'x'"),
            "spec.toolGating.rules[0].when",
            "cannot bind read_file, write_file, edit_file, which run in the agent's own container: for them the rule says deny for every call",
        ),
        (
            {"featureGates": {"code-execution": False}, **when("execute_command: allow if argv[0] == 'ls'")},
            "spec.featureGates.code-execution",
            "is found first for execute_command",
        ),
        (
            {"template": "Restrictive", "networkPolicy": {"fetch": {"allow": [{"host": "a.example"}]}}},
            "spec.networkPolicy.fetch",
            "is in vain: policy this one: template Restrictive is deny",
        ),
        ({"allowedTools": ["read_*", "read_file"]}, "spec.allowedTools[1]", "read_*: allow is found first"),
    ],
)
def test_what_is_said_in_vain_is_found_where_it_was_written(spec: dict[str, Any], field: str, words: str) -> None:
    [(where, message)] = linted(spec)
    assert where == field
    assert words in message


@pytest.mark.parametrize(
    "spec",
    [
        rules(("read_file", "allow"), ("read_*", "deny"), ("*", "ask")),
        rules(("k8s_get_pods", "allow"), ("mcp_github_*", "deny")),
        when(
            "execute_command: allow if argv[0] == 'ls'", "execute_command: ask if args.command == 'x'", "execute_command: deny"
        ),
        {
            "featureGates": {"code-execution": False},
            **when("execute_command: deny if argv[0] == 'ls'", "execute_command: deny"),
        },
        {"template": "Restrictive", "allowedTools": ["read_file"]},
        {
            "featureGates": {"file-access": False, "code-execution": True},
            **rules(("read_file", "deny"), ("fetch_url", "allow")),
        },
    ],
)
def test_what_says_something_is_let_be(spec: dict[str, Any]) -> None:
    assert linted(spec) == []


@pytest.mark.parametrize("name", POLICIES)
def test_the_built_in_ones_say_nothing_in_vain(name: str) -> None:
    policy = builtin_policy(name)
    assert policy is not None
    assert linted(policy["spec"]) == []
