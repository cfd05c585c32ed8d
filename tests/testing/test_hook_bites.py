"""The suite of hook plugins passes a sound one, and each of its checks finds one that is broken."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sympozium_core.errors import Cause
from sympozium_core.hooks import PlanPatch, Veto, hookimpl
from sympozium_core.names import GROUP_BRIDGE_HOOKS
from sympozium_core.testing import hook as hook_suite
from sympozium_core.testing.hook import HookContract
from tests.testing.broken_modules import MODULES
from tests.testing.sound_hooks import Sound, SoundGate


class Unhooked:
    def sympozium_review_run(self, run: Any, instance: Any) -> None:
        pass


class Review(Sound):
    answer: Any = None

    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> Any:
        return self.answer


def reviews(answer: Any) -> object:
    plugin = Review()
    plugin.answer = answer
    return plugin


class Raises(Sound):
    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> Any:
        return instance["spec"]["agents"]["default"]["model"] == run["spec"]["model"]


class Hangs(Sound):
    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> None:
        import threading

        threading.Event().wait(60)


class Changes(Sound):
    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> None:
        run["spec"]["timeout"] = "1m"


class Moody(Sound):
    def __init__(self) -> None:
        self.asked = 0

    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> Any:
        self.asked += 1
        return [Cause("", f"asked {self.asked} times")]

    @hookimpl
    def sympozium_patch_plan(self, plan: Any) -> PlanPatch:
        self.asked += 1
        return PlanPatch(f"Asked {self.asked} times.")


class Patch(Sound):
    answer: Any = None

    @hookimpl
    def sympozium_patch_plan(self, plan: Any) -> Any:
        return self.answer


def patches(answer: Any) -> object:
    plugin = Patch()
    plugin.answer = answer
    return plugin


class Gate:
    answer: Any = None

    @hookimpl
    def sympozium_tool_call(self, call: Any) -> Any:
        return self.answer


def judges(answer: Any) -> object:
    plugin = Gate()
    plugin.answer = answer
    return plugin


class GateThatChanges:
    @hookimpl
    def sympozium_tool_call(self, call: Any) -> None:
        call.arguments["command"] = "true"


class MoodyGate:
    asked = 0

    @hookimpl
    def sympozium_tool_call(self, call: Any) -> Veto:
        self.asked += 1
        return Veto(f"asked {self.asked} times")


class BothPlaces(SoundGate):
    @hookimpl
    def sympozium_run_event(self, event: Any) -> None:
        pass


class Answers(Sound):
    @hookimpl
    def sympozium_run_event(self, event: Any) -> Any:
        return True


class Once(Sound):
    def __init__(self) -> None:
        self.seen: set[int] = set()

    @hookimpl
    def sympozium_run_event(self, event: Any) -> None:
        if event.sequence in self.seen:
            raise ValueError("again")
        self.seen.add(event.sequence)


class Marks(Sound):
    @hookimpl
    def sympozium_run_event(self, event: Any) -> None:
        event.entry["seen"] = True


class Commands(Sound):
    names: ClassVar[tuple[str, ...]] = ()
    default: Any = None
    left: int = 100

    @hookimpl
    def sympozium_cli_commands(self, subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
        self.left -= 1
        for name in self.names if self.left > 0 else ():
            subcommands.add_parser(name).set_defaults(run=self.default)


def commands(*names: str, default: Any = print, left: int = 100) -> object:
    made = type("Made", (Commands,), {"names": names, "left": left})()
    made.default = default
    return made


CONTROL: dict[str, tuple[Any, str]] = {
    "unmarked": (Unhooked(), "it_can_be_loaded"),
    "gate-in-the-control-plane": (SoundGate(), "its_hooks_are_asked_where_it_is_loaded"),
    "answers-a-text": (reviews("no"), "a_review_is_a_list_of_causes[plain]"),
    "answers-true": (reviews(True), "a_review_is_a_list_of_causes[plain]"),
    "answers-texts": (reviews(["no"]), "a_review_is_a_list_of_causes[plain]"),
    "raises": (Raises(), "a_review_is_a_list_of_causes[bare]"),
    "hangs": (Hangs(), "a_review_is_a_list_of_causes[plain]"),
    "wordless-cause": (reviews([Cause("spec.task", " ")]), "a_review_that_refuses_has_words[plain]"),
    "changes-the-run": (Changes(), "a_review_leaves_run_and_instance_alone[plain]"),
    "moody": (Moody(), "a_review_says_the_same_each_time[plain]"),
    "patch-is-a-dict": (patches({"limits": {}}), "a_patch_is_one[plain]"),
    "patch-widens": (patches(PlanPatch(limits={"max_turns": 10_000})), "a_patch_only_tightens[plain]"),
    "patch-of-no-limit": (patches(PlanPatch(limits={"turns": 1})), "a_patch_only_tightens[plain]"),
    "patch-takes-a-name": (patches(PlanPatch(environment={"SYMPOZIUM_IPC": "/x"})), "a_patch_only_tightens[plain]"),
    "patch-is-silent": (patches(PlanPatch(deny_tools=("write_file",))), "a_patch_that_denies_says_why[plain]"),
    "patch-is-moody": (Moody(), "a_patch_is_the_same_each_time[plain]"),
    "event-answered": (Answers(), "an_event_is_taken_and_not_answered[attempt]"),
    "event-once": (Once(), "an_event_that_comes_again_does_no_harm[attempt]"),
    "event-marked": (Marks(), "an_event_is_left_alone[attempt]"),
    "command-without-run": (commands("hello", default=None), "commands_can_be_run_and_explained"),
    "command-taken": (commands("apply"), "commands_are_none_of_the_cores"),
    "no-command": (commands(), "commands_are_there_each_time"),
    "command-once": (commands("hello", left=2), "commands_are_there_each_time"),
}
"""How a plugin of the control plane is broken, and the check that finds it."""
BRIDGE: dict[str, tuple[Any, str]] = {
    "event-in-the-bridge": (BothPlaces(), "its_hooks_are_asked_where_it_is_loaded"),
    "judges-false": (judges(False), "a_judgement_is_a_veto_or_nothing[command]"),
    "wordless-veto": (judges(Veto("")), "a_veto_has_words[command]"),
    "changes-arguments": (GateThatChanges(), "a_judgement_leaves_the_arguments_alone[without-arguments]"),
    "moody-gate": (MoodyGate(), "a_judgement_is_the_same_each_time[command]"),
}


class TestSound(HookContract):
    plugin = Sound()


class TestSoundGate(HookContract):
    plugin = SoundGate()
    group = GROUP_BRIDGE_HOOKS


class Suite(HookContract):
    __test__ = False


class BridgeSuite(HookContract):
    __test__ = False
    group = GROUP_BRIDGE_HOOKS


@pytest.mark.parametrize("way", [*CONTROL, *BRIDGE])
def test_a_broken_plugin_fails(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_suite, "AT_ONCE", 0.5)
    plugin, check = {**CONTROL, **BRIDGE}[way]
    suite = (BridgeSuite if way in BRIDGE else Suite)()
    monkeypatch.setattr(type(suite), "plugin", plugin, raising=False)
    with pytest.raises(AssertionError):
        run_check(suite, check)


@pytest.mark.parametrize("way", MODULES)
def test_a_module_that_does_more_than_it_should_fails(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, check = MODULES[way]
    (tmp_path / "a_plugin_of_a_test.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    suite = Suite()
    monkeypatch.setattr(Suite, "plugin", types.ModuleType("a_plugin_of_a_test"), raising=False)
    with pytest.raises(AssertionError):
        run_check(suite, check)
    assert "a_plugin_of_a_test" not in sys.modules


def test_every_check_has_a_plugin_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(HookContract) if name.startswith("test_")}
    found = {re.sub(r"\[.*", "", check) for _, check in [*CONTROL.values(), *BRIDGE.values(), *MODULES.values()]}
    assert sorted(checks - found) == []


def run_check(suite: HookContract, name: str) -> None:
    check, _, case = name.removesuffix("]").partition("[")
    getattr(suite, f"test_{check}")(*([case] if case else []))
