from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.planning.policy import Destination, effective_policy, narrow

RESTRICTIVENESS = {"allow": 0, "ask": 1, "deny": 2}

GATING = {
    "toolGating": {
        "defaultAction": "deny",
        "rules": [{"tool": "read_*", "action": "allow"}, {"tool": "execute_command", "action": "ask"}],
    }
}
SHORT = {"toolGating": {"rules": [{"tool": "write_file", "action": "ask"}]}}


@pytest.mark.parametrize(
    ("spec", "tool", "action"),
    [
        ({"template": "Permissive"}, "execute_command", "allow"),
        ({"template": "Permissive"}, "anything", "allow"),
        ({"template": "Default"}, "execute_command", "ask"),
        ({"template": "Default"}, "write_file", "allow"),
        ({"template": "Restrictive"}, "read_file", "deny"),
        ({"template": "Restrictive"}, "execute_command", "deny"),
        ({"template": "Restrictive", **GATING}, "read_file", "allow"),
        ({}, "execute_command", "allow"),
        (GATING, "read_file", "allow"),
        (GATING, "write_file", "deny"),
        (GATING, "execute_command", "ask"),
        ({"template": "Permissive", **SHORT}, "write_file", "ask"),
        ({"template": "Permissive", **GATING}, "fetch_url", "deny"),
        (
            {"template": "Default", "toolGating": {"rules": [{"tool": "execute_command", "action": "allow"}]}},
            "execute_command",
            "allow",
        ),
        ({"featureGates": {"code-execution": False}}, "execute_command", "deny"),
        ({"featureGates": {"code-execution": True}}, "execute_command", "allow"),
        ({"featureGates": {"file-access": False}}, "write_file", "deny"),
        ({"featureGates": {"file-access": False}}, "grep_search", "deny"),
        (
            {"featureGates": {"file-access": False}, "toolGating": {"rules": [{"tool": "read_file", "action": "allow"}]}},
            "read_file",
            "allow",
        ),
    ],
)
def test_decision(spec: dict[str, Any], tool: str, action: str) -> None:
    decision = effective_policy("p", spec).tools.decide(tool)
    assert decision.action == action
    assert "policy p" in decision.because


@pytest.mark.parametrize(
    ("spec", "isolated"),
    [
        ({"template": "Permissive"}, False),
        ({"template": "Default"}, True),
        ({"template": "Restrictive"}, True),
        ({}, False),
        ({"sandboxPolicy": {"required": True}}, True),
        ({"sandboxPolicy": {"required": False}}, False),
        ({"template": "Permissive", "sandboxPolicy": {"required": True}}, True),
        ({"sandboxPolicy": {"agentSandboxPolicy": {"required": True}}}, True),
    ],
)
def test_isolation(spec: dict[str, Any], isolated: bool) -> None:
    assert effective_policy("p", spec).isolation_required is isolated


def test_a_kernel_sandbox_is_demanded_only_where_the_policy_says_required() -> None:
    kernel = {"defaultRuntimeClass": "gvisor", "allowedRuntimeClasses": ["gvisor"]}
    for required in (False, True):
        policy = effective_policy("p", {"sandboxPolicy": {"agentSandboxPolicy": {**kernel, "required": required}}})
        assert policy.runtime_class_required is required
        assert (policy.runtime_class, policy.allowed_runtime_classes) == ("gvisor", ("gvisor",))
    nothing = effective_policy("p", {})
    assert (nothing.runtime_class_required, nothing.runtime_class, nothing.allowed_runtime_classes) == (False, "", None)


def test_a_list_that_is_not_there_is_open_and_an_empty_one_closed() -> None:
    assert effective_policy("p", {}).allowed_registries is None
    assert effective_policy("p", {"imagePolicy": {}}).allowed_registries is None
    assert effective_policy("p", {"imagePolicy": {"allowedRegistries": []}}).allowed_registries == ()


def test_the_network_is_closed_but_for_what_is_listed() -> None:
    policy = effective_policy(
        "p", {"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "a", "port": 443}, {"host": "b"}]}}
    )
    assert policy.allowed_egress == (Destination("a", 443), Destination("b", None))
    assert not policy.network_open
    assert effective_policy("p", {"networkPolicy": {"denyAll": False}}).network_open
    assert not effective_policy("p", {}).network_open


def test_a_run_narrows_and_is_told_whose_word_it_was() -> None:
    policy = effective_policy("p", {"template": "Permissive"}).tools
    narrowed = narrow(policy, {"allow": ["read_file", "list_*"], "deny": ["list_secrets"]}, "this run's spec")
    assert narrowed.decide("read_file").action == "allow"
    assert narrowed.decide("list_directory").action == "allow"
    assert narrowed.decide("list_secrets").action == "deny"
    denied = narrowed.decide("write_file")
    assert denied.action == "deny"
    assert "this run's spec" in denied.because


def test_an_empty_tool_policy_changes_nothing() -> None:
    policy = effective_policy("p", {"template": "Default"}).tools
    assert narrow(policy, None, "run") == policy
    assert narrow(policy, {}, "run") == policy


TOOLS = st.sampled_from(["read_file", "write_file", "execute_command", "mcp_x_read", "mcp_x_write", "a"])
GLOBS = st.sampled_from(["read_file", "write_*", "*", "mcp_*", "execute_command", "a", "?"])
ACTIONS = st.sampled_from(["allow", "ask", "deny"])
RULES = st.lists(st.builds(ToolRule, GLOBS, ACTIONS, st.just("why")), max_size=5).map(tuple)
POLICIES = st.builds(ToolPolicy, ACTIONS, st.just("default"), RULES)


@given(POLICIES, st.lists(GLOBS, max_size=3), st.lists(GLOBS, max_size=3), TOOLS)
def test_narrowing_never_widens(policy: ToolPolicy, allow: list[str], deny: list[str], tool: str) -> None:
    before = policy.decide(tool).action
    after = narrow(policy, {"allow": allow, "deny": deny}, "run").decide(tool).action
    assert RESTRICTIVENESS[after] >= RESTRICTIVENESS[before]


@given(POLICIES, POLICIES, TOOLS)
def test_of_several_policies_the_strictest_holds(one: ToolPolicy, other: ToolPolicy, tool: str) -> None:
    both = ToolPolicy(one.default, one.because, one.rules, (other,))
    expected = max(one.decide(tool).action, other.decide(tool).action, key=RESTRICTIVENESS.__getitem__)
    assert both.decide(tool).action == expected
