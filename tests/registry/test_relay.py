"""The relay: all are asked by name, and what one does wrong is its own affair."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from sympozium_core.contracts.plan import RunPlan
from sympozium_core.errors import Cause
from sympozium_core.hooks import PlanPatch, RunEvent, ToolCall, Veto, hookimpl
from sympozium_core.names import GROUP_HOOKS
from sympozium_core.registry.calls import add_cli_commands, patch_plan, review_run, tell_run_event, veto_tool_call
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.loading import Failure
from sympozium_core.registry.relay import MAX_FAILURES, Relay, Source, load_relay

HEAD = "from sympozium_core.hooks import hookimpl, Veto, PlanPatch\nfrom sympozium_core.errors import Cause\n"
CALL = ToolCall("uid", "call", "execute_command", "shell", {"command": "ls"})
EVENT = RunEvent("uid", "ns", "run", "gw", 1, {})


def plugin(**functions: Any) -> Any:
    """A plugin object with these hooks, named without the prefix."""
    return SimpleNamespace(**{f"sympozium_{name}": hookimpl(function) for name, function in functions.items()})


def relay_of(**plugins: Any) -> Relay:
    relay = Relay()
    for name, each in plugins.items():
        assert relay.add(Source(name, name), each) is None
    return relay


BROKEN = {
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "exits": ("raise SystemExit(1)", "SystemExit: 1"),
    "misspelt": (
        HEAD + "@hookimpl\ndef sympozium_reveiw_run(run): pass",
        "there is no hook sympozium_reveiw_run; did you mean sympozium_review_run?",
    ),
    "far_off": (HEAD + "@hookimpl\ndef on_start(run): pass", "there is no hook on_start; hooks: sympozium_cli_commands, "),
    "arguments": (HEAD + "@hookimpl\ndef sympozium_review_run(run, agent): pass", "agent"),
    "unmarked": ("def sympozium_review_run(run): pass", "sympozium_review_run is not marked; put @hookimpl above it"),
    "empty": ("x = 1", "it implements no hook; hooks: "),
    "asynchronous": (HEAD + "@hookimpl\nasync def sympozium_review_run(run): pass", "sympozium_review_run is asynchronous"),
    "wrapper": (
        HEAD + "@hookimpl(wrapper=True)\ndef sympozium_review_run(run): return (yield)",
        "sympozium_review_run is a wrapper",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_left_out_with_its_reason_and_the_others_work(packages: Any, case: str) -> None:
    source, reason = BROKEN[case]
    good = HEAD + "@hookimpl\ndef sympozium_review_run(run): return [Cause('a', run['name'])]"
    packages.install("m-broken", {GROUP_HOOKS: {"m": "m_broken"}}, source, version="3.1")
    packages.install("a-good", {GROUP_HOOKS: {"a": "a_good"}}, good)
    packages.install("z-good", {GROUP_HOOKS: {"z": "z_good"}}, good)
    told: list[tuple[str, bool]] = []
    relay = load_relay(
        [Source(each.name, each.value, each.distribution) for each in installed([GROUP_HOOKS], path=packages.path)],
        loaded=lambda source, failure: told.append((source.name, failure is None)),
    )
    assert told == [("a", True), ("m", False), ("z", True)]
    assert [(each.plugin, each.distribution) for each in relay.failures] == [("m", "m-broken")]
    assert reason in relay.failures[0].message
    assert review_run(relay, {"name": "r"}, {}) == [Cause("a", "r"), Cause("a", "r")]


def test_a_traceback_is_kept(packages: Any) -> None:
    packages.install("broken", {GROUP_HOOKS: {"m": "broken"}}, "def inner():\n    raise ValueError('deep')\ninner()")
    relay = load_relay([Source("m", "broken", "broken")])
    assert "in inner" in relay.failures[0].traceback


def test_a_conflict_is_not_loaded(packages: Any) -> None:
    packages.install("one", {GROUP_HOOKS: {"same": "one"}}, HEAD + "@hookimpl\ndef sympozium_run_event(event): pass")
    relay = load_relay([Source("same", "one", "one", conflicts=("two",))])
    assert relay.plugins == []
    assert relay.failures[0].message == "package two claims the same name; uninstall one"
    assert "one" not in sys.modules


def test_a_class_is_refused_and_an_instance_is_taken() -> None:
    class Plugin:
        @hookimpl
        def sympozium_tool_call(self, call: ToolCall) -> Veto:
            return Veto(call.tool)

    relay = Relay()
    failure = relay.add(Source("c", "c"), Plugin)
    assert failure is not None
    assert "names the class Plugin; name a module or an instance" in failure.message
    assert relay.add(Source("i", "i"), Plugin()) is None
    assert veto_tool_call(relay, CALL) == Veto("plugin i: execute_command")


def test_plugins_are_asked_in_the_order_of_their_names_each_by_itself() -> None:
    order: list[str] = []

    def named(name: str, fails: bool = False) -> Any:
        def run_event(event: RunEvent) -> None:
            order.append(name)
            if fails:
                raise ValueError(f"{name} is unwell")

        return plugin(run_event=run_event)

    relay = relay_of(c=named("c"), a=named("a", fails=True), b=named("b"))
    tell_run_event(relay, EVENT)
    assert order == ["a", "b", "c"]
    assert [(each.plugin, each.hook, each.message) for each in relay.failures] == [
        ("a", "sympozium_run_event", "ValueError: a is unwell")
    ]


def test_answers_say_who_said_what_and_who_failed() -> None:
    relay = relay_of(
        b=plugin(tool_call=lambda call: Veto("no")),
        a=plugin(tool_call=lambda call: 1 / 0),
        c=plugin(tool_call=lambda call: None),
    )
    answers = relay.ask_all("sympozium_tool_call", call=CALL)
    assert [(each.plugin, each.result) for each in answers.results] == [("b", Veto("no"))]
    assert [each.plugin for each in answers.failures] == ["a"]
    assert relay.implements("sympozium_tool_call")
    assert not relay.implements("sympozium_review_run")


def test_a_review_collects_every_cause_and_fails_closed() -> None:
    relay = relay_of(
        a=plugin(review_run=lambda run: [Cause("x", "one"), Cause("y", "two")]),
        b=plugin(review_run=lambda run: run["missing"]),
        c=plugin(review_run=lambda instance: None),
        d=plugin(review_run=lambda run: "no"),
        e=plugin(review_run=lambda run: Cause("z", "alone")),
        f=plugin(review_run=lambda run: []),
    )
    causes = review_run(relay, {}, {})
    assert [str(each.field) for each in causes] == ["x", "y", "", "", "z"]
    assert causes[2].message == "plugin b could not review the run: KeyError: 'missing'"
    assert causes[3].message == "plugin d could not review the run: answered with str instead of a list of Cause"
    assert review_run(relay_of(c=plugin(review_run=lambda run: None)), {}, {}) == []


def test_the_first_veto_denies_and_a_failing_gate_is_closed() -> None:
    asked: list[str] = []

    def gate(name: str, answer: Any) -> Any:
        def tool_call(call: ToolCall) -> Any:
            asked.append(name)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return plugin(tool_call=tool_call)

    assert veto_tool_call(
        relay_of(b=gate("b", Veto("b says no")), a=gate("a", None), c=gate("c", Veto("c too"))), CALL
    ) == Veto("plugin b: b says no")
    assert asked == ["a", "b"]
    failing = relay_of(a=gate("a", ValueError("oh")))
    assert veto_tool_call(failing, CALL) == Veto("plugin a failed, and a gate that fails is closed")
    assert [each.message for each in failing.failures] == ["ValueError: oh"]
    assert veto_tool_call(relay_of(a=gate("a", False)), CALL) == Veto(
        "plugin a answered with bool instead of a Veto, and a gate that fails is closed"
    )
    assert veto_tool_call(relay_of(a=gate("a", None)), CALL) is None


def test_each_patch_sees_the_plan_as_the_one_before_left_it() -> None:
    plan: Any = SimpleNamespace(prompt="p")

    def apply(plan: Any, patch: PlanPatch) -> Any:
        if patch.prompt_section == "bad":
            raise ValueError("too long")
        return SimpleNamespace(prompt=plan.prompt + patch.prompt_section)

    def failing(plan: RunPlan) -> PlanPatch:
        raise RuntimeError("no")

    relay = relay_of(
        d=plugin(patch_plan=lambda plan: PlanPatch(prompt_section=f"[{plan.prompt}]")),
        a=plugin(patch_plan=lambda plan: PlanPatch(prompt_section="a")),
        b=plugin(patch_plan=lambda plan: PlanPatch(prompt_section="bad")),
        c=plugin(patch_plan=failing),
        e=plugin(patch_plan=lambda plan: None),
        f=plugin(patch_plan=lambda plan: {"prompt": "x"}),
    )
    patched, failures = patch_plan(relay, plan, apply)
    assert vars(patched)["prompt"] == "pa[pa]"
    assert [(each.plugin, each.message) for each in failures] == [
        ("b", "ValueError: too long"),
        ("c", "RuntimeError: no"),
        ("f", "TypeError: answered with dict instead of a PlanPatch"),
    ]


def test_a_command_whose_name_is_taken_fails_in_its_plugin_alone() -> None:
    def commands(*names: str) -> Any:
        def cli_commands(subcommands: Any) -> None:
            for name in names:
                subcommands.add_parser(name)

        return plugin(cli_commands=cli_commands)

    parser = argparse.ArgumentParser()
    failures = add_cli_commands(
        relay_of(a=commands("hello"), b=commands("hello"), c=commands("bye")), parser.add_subparsers(dest="command")
    )
    assert [each.plugin for each in failures] == ["b"]
    assert parser.parse_args(["bye"]).command == "bye"


def test_failures_are_bounded() -> None:
    relay = relay_of(a=plugin(run_event=lambda event: 1 / 0))
    for number in range(MAX_FAILURES + 5):
        tell_run_event(relay, replace(EVENT, sequence=number))
    assert len(relay.failures) == MAX_FAILURES
    assert all(isinstance(each, Failure) and each.message.startswith("ZeroDivisionError") for each in relay.failures)


def test_the_bridge_loads_what_it_is_told_without_looking_for_packages(packages: Any) -> None:
    source = (
        HEAD
        + "class G:\n    @hookimpl\n    def sympozium_tool_call(self, call): return Veto(call.tool)\nclass N: pass\nN.gate = G()"
    )
    packages.install("gate", "", source)
    program = (
        "import json, sys\n"
        "before = 'importlib.metadata' in sys.modules\n"
        "from sympozium_core.registry.relay import load_relay, Source\n"
        "from sympozium_core.registry.calls import veto_tool_call\n"
        "from sympozium_core.hooks import ToolCall\n"
        "relay = load_relay([Source('gate', 'gate:N.gate'), Source('gone', 'gone:gate'), Source('odd', 'os; system')])\n"
        "veto = veto_tool_call(relay, ToolCall('u', 'c', 'grep', 's', {}))\n"
        "failures = [each.message for each in relay.failures]\n"
        "import importlib\n"
        "print(json.dumps([veto.because, failures, 'importlib.metadata' in sys.modules, 'stevedore' in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    because, failures, metadata, stevedore = json.loads(answer.stdout)
    assert because == "plugin gate: grep"
    assert failures[0] == "ModuleNotFoundError: No module named 'gone'"
    assert re.match("ValueError: 'os; system' is not of the form", failures[1])
    assert not stevedore
    assert not metadata
