"""A policy that changes under a run: what is stricter binds, what is not changes nothing, and nothing ever gets wider."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.call_conditions.examined import ExaminedCall
from sympozium_core.contracts.plan import to_json
from sympozium_core.contracts.plan_reading import tool_policy_from_json
from sympozium_core.contracts.tool_policy import STRICTNESS, ToolPolicy, ToolRule, UntoldCall
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.policy import effective_policy, run_tools
from sympozium_core.planning.tightening import MAX_PARTS, differences, tightened, with_tools

TOOLS = st.sampled_from(["read_file", "execute_command", "mcp_x_read", "a"])
GLOBS = st.sampled_from(["read_*", "*", "mcp_*", "execute_command", "a", "?"])
ACTIONS = st.sampled_from(["allow", "ask", "deny"])
WHENS = st.sampled_from(["", "", "argv[0] == 'ls'", "args.command != 'ls -l'", "args.n > 3", "tool == 'a'"])
RULES = st.lists(st.builds(ToolRule, GLOBS, ACTIONS, st.just("why"), WHENS), max_size=4).map(tuple)
FLAT = st.builds(ToolPolicy, ACTIONS, st.just("default"), RULES)
POLICIES = st.builds(ToolPolicy, ACTIONS, st.just("default"), RULES, st.lists(FLAT, max_size=2).map(tuple))
ARGUMENTS = st.sampled_from([{}, {"command": "ls"}, {"command": "ls -l"}, {"command": "ls; rm"}, {"command": "rm"}, {"n": 4}, {"n": "x"}])  # fmt: skip


def strictness(policy: ToolPolicy, tool: str, arguments: dict[str, Any]) -> int:
    return STRICTNESS[policy.decide(tool, ExaminedCall(tool, "s", arguments)).action]


@given(POLICIES, POLICIES, TOOLS, ARGUMENTS)
def test_both_hold_for_every_call(held: ToolPolicy, now: ToolPolicy, tool: str, arguments: dict[str, Any]) -> None:
    after = tightened(held, now, [tool])
    expected = max(strictness(held, tool, arguments), strictness(now, tool, arguments))
    assert strictness(after, tool, arguments) == expected


@given(POLICIES, TOOLS, ARGUMENTS)
def test_without_a_call_it_is_the_most_that_one_can_get(policy: ToolPolicy, tool: str, arguments: dict[str, Any]) -> None:
    assert STRICTNESS[policy.decide(tool).action] <= strictness(policy, tool, arguments)


@given(POLICIES, TOOLS, ARGUMENTS)
def test_of_a_call_that_nobody_sees_it_is_the_least(policy: ToolPolicy, tool: str, arguments: dict[str, Any]) -> None:
    assert strictness(policy, tool, arguments) <= STRICTNESS[policy.decide(tool, UntoldCall()).action]


@given(POLICIES, POLICIES)
def test_the_same_again_changes_nothing(held: ToolPolicy, now: ToolPolicy) -> None:
    once = tightened(held, now, [])
    assert tightened(once, now, []) == once
    assert tightened(once, held, []) == once
    assert tool_policy_from_json(to_json(once)) == once


def of(**spec: Any) -> ToolPolicy:
    return effective_policy("p", spec).tools


def gate(*rules: dict[str, str], default: str = "allow") -> dict[str, Any]:
    return {"toolGating": {"defaultAction": default, "rules": list(rules)}}


DENY = {"tool": "execute_command", "action": "deny"}
LS = {"tool": "execute_command", "action": "allow", "when": "argv[0] == 'ls'"}


@pytest.mark.parametrize(
    ("before", "now", "changes"),
    [
        ({}, gate(DENY), True),
        ({}, gate(default="ask"), True),
        ({}, {"featureGates": {"code-execution": False}}, True),
        ({}, gate({"tool": "served", "action": "ask"}), True),
        ({}, gate({"tool": "mcp_*", "action": "deny"}), True),
        ({}, gate({**DENY, "when": "argv[0] == 'rm'"}), True),
        (gate(LS, DENY), gate({**LS, "when": "argv == ['ls']"}, DENY), True),
        (gate(LS, DENY), gate(DENY), True),
        ({}, {}, False),
        (gate(DENY), {}, False),
        (gate(default="deny"), gate(LS, default="deny"), False),
        (gate(LS, DENY), gate(LS, DENY, default="allow"), False),
        (gate(LS, DENY), {}, False),
        ({"template": "Default"}, {"template": "Permissive"}, False),
        ({}, {"limits": {"maxTurns": 1}}, False),
    ],
)
def test_only_what_is_stricter_counts(before: dict[str, Any], now: dict[str, Any], changes: bool) -> None:
    held = of(**before)
    assert (tightened(held, of(**now), ["served"]) != held) is changes


def test_a_runs_own_tool_policy_stays() -> None:
    held = run_tools(effective_policy("p", {}), {"spec": {"toolPolicy": {"deny": ["a"]}}})
    after = tightened(held, of(**gate(DENY)), [])
    assert after.decide("a").action == after.decide("execute_command").action == "deny"
    assert differences(held, after, []) == ["execute_command (allow before, now deny)"]


def test_a_policy_that_changes_all_the_time_calls_nothing_in_the_end() -> None:
    held = of()
    for number in range(MAX_PARTS + 3):
        held = tightened(held, of(**gate({"tool": f"tool_{number}", "action": "deny"})), [])
    assert len(held.narrowed_by) == MAX_PARTS + 1
    assert held.decide("read_file").action == "deny"


def test_policies_that_are_too_long_to_carry_call_nothing() -> None:
    held = of()
    for letter in "abc":
        rules = [{"tool": f"{letter}_{number}", "action": "deny"} for number in range(3000)]
        held = tightened(held, of(**gate(*rules)), [])
    assert held.decide("read_file").action == "deny"
    assert "longer" in held.decide("read_file").because


def test_the_plan_of_a_later_attempt_has_fewer_native_tools(inputs: Any) -> None:
    plan = make_plan(inputs())
    after = with_tools(plan, tightened(plan.tools, of(**gate({"tool": "write_file", "action": "deny"})), []))
    assert set(plan.native_tools) - set(after.native_tools) == {"write_file"}
    assert after.tools.decide("write_file").action == "deny"
