"""Policy and hooks: who may say no, and that a gate that fails is closed."""

from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import replace

import pytest

from sympozium_core.bridge.policy import CallReview, decided
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.errors import Permanent
from sympozium_core.hooks import ToolCall, Veto, hookimpl

CALL = ToolCall("uid", "c1", "execute_command", "shell", {"command": "rm -rf /"})


@pytest.fixture
def plugin(monkeypatch):
    module = types.ModuleType("a_bridge_plugin")
    monkeypatch.setitem(sys.modules, "a_bridge_plugin", module)
    return module


@pytest.mark.parametrize(
    ("policy", "tool", "action"),
    [
        (ToolPolicy(), "x", "allow"),
        (ToolPolicy("deny", "policy p"), "x", "deny"),
        (ToolPolicy(rules=(ToolRule("kube_*", "deny", "p"),)), "kube_get", "deny"),
        (ToolPolicy(rules=(ToolRule("kube_*", "deny", "p"),)), "KUBE_get", "allow"),
        (ToolPolicy("deny", rules=(ToolRule("a", "allow", "p"), ToolRule("*", "deny", "q"))), "a", "allow"),
        (ToolPolicy(rules=(ToolRule("a", "ask", "p"),)), "a", "ask"),
        (ToolPolicy(narrowed_by=(ToolPolicy("deny", "mandatory"),)), "a", "deny"),
    ],
)
def test_the_first_rule_that_fits_decides(policy, tool, action):
    assert decided(policy, tool).action == action


def denial(review, call, tool):
    decision = review.decision(call, tool)
    return decision.because if decision.action == "deny" else ""


def test_a_hook_may_deny_what_a_person_would_be_asked_about(plugin):
    asking = ToolPolicy(rules=(ToolRule("execute_command", "ask", "p"),))
    plugin.sympozium_tool_call = hookimpl(specname="sympozium_tool_call")(lambda call: Veto("no"))
    assert CallReview(asking).decision(lambda: CALL, "execute_command").action == "ask"
    assert CallReview(asking, ["a_bridge_plugin"]).decision(lambda: CALL, "execute_command").action == "deny"


def test_a_hook_sees_the_call_and_may_veto_it(plugin):
    seen = []

    @hookimpl
    def sympozium_tool_call(call):
        seen.append(call)
        return Veto("not today") if "rm" in call.arguments["command"] else None

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert denial(review, lambda: CALL, "execute_command") == "plugin a_bridge_plugin: not today"
    harmless = replace(CALL, arguments={"command": "ls"})
    assert denial(review, lambda: harmless, "execute_command") == ""
    assert seen == [CALL, harmless]


def test_a_hook_is_not_asked_about_what_the_policy_denies(plugin):
    def no(call):
        raise AssertionError("asked")

    plugin.sympozium_tool_call = hookimpl(specname="sympozium_tool_call")(no)
    review = CallReview(ToolPolicy("deny", "policy"), ["a_bridge_plugin"])
    assert "denied by policy: policy" in denial(review, lambda: CALL, "execute_command")


def test_a_call_is_not_made_up_for_hooks_that_look_at_none(plugin):
    plugin.sympozium_run_event = hookimpl(specname="sympozium_run_event")(lambda event: None)
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert denial(review, lambda: pytest.fail("made up"), "execute_command") == ""


@pytest.mark.parametrize("error", [RuntimeError("a path and a key"), SystemExit("a path and a key")])
def test_a_hook_that_fails_denies_and_the_agent_does_not_read_why(plugin, caplog, error):
    @hookimpl
    def sympozium_tool_call(call):
        raise error

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    because = denial(review, lambda: CALL, "execute_command")
    assert because == "plugin a_bridge_plugin failed, and a gate that fails is closed"
    assert "a path and a key" in caplog.text


@pytest.mark.parametrize("answer", ["nonsense", False, 0, "", {"because": "x"}, Veto])
def test_a_hook_that_answers_with_nonsense_denies(plugin, answer):
    @hookimpl
    def sympozium_tool_call(call):
        return answer

    plugin.sympozium_tool_call = sympozium_tool_call
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    because = denial(review, lambda: CALL, "execute_command")
    assert because.startswith(f"plugin a_bridge_plugin answered with {type(answer).__name__} instead of a Veto")
    assert "a gate that fails is closed" in because


@pytest.mark.parametrize("words", ["", None])
def test_a_veto_without_words_denies(plugin, words):
    plugin.sympozium_tool_call = hookimpl(specname="sympozium_tool_call")(lambda call: Veto(words))
    review = CallReview(ToolPolicy(), ["a_bridge_plugin"])
    assert denial(review, lambda: CALL, "execute_command").startswith("plugin a_bridge_plugin: ")


@pytest.mark.parametrize(
    "entry",
    [
        "no_such_module",
        "a_bridge_plugin:absent",
        "a_bridge_plugin:misspelt",
        "a_bridge_plugin:unmarked",
        "a_bridge_plugin:later",
    ],
)
def test_a_hook_that_cannot_be_loaded_is_no_gate(plugin, entry):
    class Misspelt:
        @hookimpl
        def sympozium_tool_calls(self, call): ...

    class Unmarked:
        def sympozium_tool_call(self, call): ...

    class Later:
        @hookimpl
        async def sympozium_tool_call(self, call): ...

    plugin.misspelt, plugin.unmarked, plugin.later = Misspelt(), Unmarked(), Later()
    with pytest.raises(Permanent, match="cannot be loaded") as raised:
        CallReview(ToolPolicy(), [entry])
    assert entry in raised.value.message


LOADED = "print([m for m in ('aiohttp', 'pydantic', 'apsw', 'nats', 'pluggy', 'stevedore', 'kubernetes', 'cel_expr_python') if m in sys.modules])"


@pytest.mark.parametrize(("does", "loads"), [("", []), ("review(['json'])", ["pluggy"])])
def test_the_bridge_loads_nothing_dear(does, loads):
    """Without hooks no pluggy, and with them no stevedore."""
    code = f"""
import sys, sympozium_core.bridge.__main__
from sympozium_core.bridge.policy import CallReview
from sympozium_core.contracts.tool_policy import ToolPolicy
def review(hooks):
    try:
        CallReview(ToolPolicy(), hooks)
    except Exception as error:
        assert "implements no hook" in str(error), error
review([])
{does}
{LOADED}
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(loads)
