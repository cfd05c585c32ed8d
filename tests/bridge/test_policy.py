"""Policy and hooks: who may say no, and that a gate that fails is closed."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest

from sympozium_core.bridge.policy import CallReview, denial
from sympozium_core.contracts.plan import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent
from sympozium_core.hooks import ToolCall, Veto, hookimpl

CALL = ToolCall("uid", "c1", "execute_command", "shell", {"command": "rm -rf /"})


@pytest.fixture
def plugin(monkeypatch):
    module = types.ModuleType("a_bridge_plugin")
    monkeypatch.setitem(sys.modules, "a_bridge_plugin", module)
    return module


@pytest.mark.parametrize(
    ("policy", "tool", "denied"),
    [
        (ToolPolicy(), "x", False),
        (ToolPolicy("deny", "policy p"), "x", True),
        (ToolPolicy(rules=(ToolRule("kube_*", "deny", "p"),)), "kube_get", True),
        (ToolPolicy(rules=(ToolRule("kube_*", "deny", "p"),)), "KUBE_get", False),
        (ToolPolicy("deny", rules=(ToolRule("a", "allow", "p"), ToolRule("*", "deny", "q"))), "a", False),
        (ToolPolicy(rules=(ToolRule("a", "ask", "p"),)), "a", True),
        (ToolPolicy(narrowed_by=(ToolPolicy("deny", "mandatory"),)), "a", True),
    ],
)
def test_the_first_rule_that_fits_decides(policy, tool, denied):
    assert bool(denial(policy, tool)) is denied


def test_a_hook_sees_the_call_and_may_veto_it(plugin):
    seen = []

    @hookimpl
    def sympozium_tool_call(call):
        seen.append(call)
        return Veto("not today") if "rm" in call.arguments["command"] else None

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert review.denial(lambda: CALL, "execute_command") == "a_bridge_plugin: not today"
    assert seen == [CALL]


def test_a_hook_is_not_asked_about_what_the_policy_denies(plugin):
    def no(call):
        raise AssertionError("asked")

    plugin.sympozium_tool_call = hookimpl(specname="sympozium_tool_call")(no)
    review = CallReview(ToolPolicy("deny", "policy"), ["a_bridge_plugin"])
    assert "denied by policy: policy" in review.denial(lambda: CALL, "execute_command")


def test_a_hook_that_fails_denies(plugin):
    @hookimpl
    def sympozium_tool_call(call):
        raise RuntimeError("broken")

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert "a gate that fails is closed" in review.denial(lambda: CALL, "execute_command")


def test_a_hook_that_answers_with_nonsense_denies(plugin):
    @hookimpl
    def sympozium_tool_call(call):
        return "nonsense"

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert "a gate that fails is closed" in review.denial(lambda: CALL, "execute_command")


@pytest.mark.parametrize("entry", ["no_such_module", "a_bridge_plugin:absent", "a_bridge_plugin:bad"])
def test_a_hook_that_cannot_be_loaded_is_no_gate(plugin, entry):
    class Bad:
        @hookimpl
        def sympozium_tool_calls(self, call): ...

    plugin.bad = Bad()
    with pytest.raises(Permanent, match="cannot be loaded"):
        CallReview(ToolPolicy(), [entry])


def test_the_bridge_loads_nothing_dear():
    code = (
        "import sys, sympozium_core.bridge.__main__;"
        "print([m for m in ('aiohttp', 'pydantic', 'apsw', 'nats', 'pluggy', 'kubernetes') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
