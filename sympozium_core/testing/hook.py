"""The conformance suite of hook plugins: what each of their functions answers to well-formed inputs of every kind.

    class TestGate(HookContract):
        plugin = acme_gate            # the module, or the instance, that the entry point names
        group = "sympozium.hooks.bridge"

A hook that the plugin does not implement is skipped, which the report says. Needs pytest.
"""

from __future__ import annotations

import argparse
import copy
import subprocess
import threading
import types
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from sympozium_core.cli.main import COMMANDS
from sympozium_core.contracts.plan import to_json
from sympozium_core.errors import Cause, SympoziumError
from sympozium_core.hooks import PlanPatch, Veto
from sympozium_core.names import GROUP_BRIDGE_HOOKS, GROUP_HOOKS
from sympozium_core.planning.patches import apply_patch
from sympozium_core.registry.loading import Failure
from sympozium_core.registry.relay import Relay, Source
from sympozium_core.testing.hook_samples import CALLS, EVENTS, PLANS, RUNS
from sympozium_core.testing.imported_alone import imported_alone

AT_ONCE = 5.0
"""Seconds after which a hook is taken as hanging: whoever asks it waits, and the run with it."""
PUBLIC = ("contracts", "hooks", "errors", "names", "ipc")
"""What of the core is loaded with what a plugin may import."""
IN_THE_BRIDGE = frozenset({"sympozium_tool_call"})


class HookContract:
    """To be subclassed as ``Test…`` with `plugin`."""

    plugin: ClassVar[object]
    group: ClassVar[str] = GROUP_HOOKS
    """Of its entry point."""

    def relay(self) -> Relay:
        relay = Relay()
        failure = relay.add(Source("plugin", "plugin"), self.plugin)
        assert failure is None, f"it cannot be loaded: {failure.message}"
        return relay

    def ask(self, hook: str, **arguments: Any) -> list[Any]:
        """What the plugin answers, in time. Skips where it does not implement the hook."""
        relay = self.relay()
        if not relay.implements(hook):
            pytest.skip(f"it does not implement {hook}")
        found: list[Any] = []
        asking = threading.Thread(target=lambda: found.append(relay.ask(relay.plugins[0], hook, **arguments)), daemon=True)
        asking.start()
        asking.join(AT_ONCE)
        assert found, f"{hook} has not answered after {AT_ONCE:.0f} s"
        answer = found[0]
        assert not isinstance(answer, Failure), f"{hook} raised: {answer.message}\n{answer.traceback}"
        return list(answer)

    def test_it_can_be_loaded(self) -> None:
        assert self.relay().plugins

    def test_its_hooks_are_asked_where_it_is_loaded(self) -> None:
        relay = self.relay()
        implemented = {name for name in _hooks() if relay.implements(name)}
        wrong = implemented - IN_THE_BRIDGE if self.group == GROUP_BRIDGE_HOOKS else implemented & IN_THE_BRIDGE
        other = GROUP_HOOKS if self.group == GROUP_BRIDGE_HOOKS else GROUP_BRIDGE_HOOKS
        assert not wrong, f"never asked in {self.group}: {', '.join(sorted(wrong))}; give them an entry point in {other}"

    def test_its_module_can_be_imported_alone_and_says_nothing(self) -> None:
        done = self._import("")
        assert done.returncode == 0, done.stderr[-2000:]
        assert not done.stdout, f"it prints when it is imported: {done.stdout[:200]!r}"

    def test_its_module_imports_of_the_core_what_is_public(self) -> None:
        done = self._import(
            "print(*(n for n in sys.modules if n.startswith('sympozium_core.') and n not in before), sep='\\n')"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        strange = [name for name in done.stdout.split() if name.split(".")[1] not in PUBLIC]
        assert not strange, f"not for plugins, and may change without notice: {', '.join(strange)}"

    @pytest.mark.parametrize("case", RUNS)
    def test_a_review_is_a_list_of_causes(self, case: str) -> None:
        for answer in self._review(case):
            assert isinstance(answer, Sequence), f"{type(answer).__name__} is no list of Cause"
            assert not isinstance(answer, str), "a text is no list of Cause"
            assert all(isinstance(cause, Cause) for cause in answer), f"{answer!r} has items that are no Cause"

    @pytest.mark.parametrize("case", RUNS)
    def test_a_review_that_refuses_has_words(self, case: str) -> None:
        for answer in self._review(case):
            for cause in answer:
                assert str(getattr(cause, "message", "")).strip(), "a cause without a message tells its reader nothing"

    @pytest.mark.parametrize("case", RUNS)
    def test_a_review_leaves_run_and_instance_alone(self, case: str) -> None:
        run, instance = copy.deepcopy(RUNS[case])
        self.ask("sympozium_review_run", run=run, instance=instance)
        assert (run, instance) == RUNS[case], "a hook that changes what it is given changes it for others"

    @pytest.mark.parametrize("case", RUNS)
    def test_a_review_says_the_same_each_time(self, case: str) -> None:
        """It is asked at admission and again before the run is planned."""
        assert self._review(case) == self._review(case)

    @pytest.mark.parametrize("case", PLANS)
    def test_a_patch_is_one(self, case: str) -> None:
        for answer in self.ask("sympozium_patch_plan", plan=PLANS[case]):
            assert isinstance(answer, PlanPatch), f"{type(answer).__name__} is no PlanPatch"

    @pytest.mark.parametrize("case", PLANS)
    def test_a_patch_only_tightens(self, case: str) -> None:
        for answer in self.ask("sympozium_patch_plan", plan=PLANS[case]):
            try:
                apply_patch(PLANS[case], answer)
            except SympoziumError as error:
                raise AssertionError(f"the patch is refused, and the plan stays as it was: {error}") from error

    @pytest.mark.parametrize("case", PLANS)
    def test_a_patch_that_denies_says_why(self, case: str) -> None:
        for answer in self.ask("sympozium_patch_plan", plan=PLANS[case]):
            assert answer.because.strip() or not answer.deny_tools, "whoever is denied a tool is told PlanPatch.because"

    @pytest.mark.parametrize("case", PLANS)
    def test_a_patch_is_the_same_each_time(self, case: str) -> None:
        """A controller that starts anew plans anew, and finds by the digest that nothing has changed."""
        one, other = (to_json(self.ask("sympozium_patch_plan", plan=PLANS[case])) for _ in range(2))
        assert one == other

    @pytest.mark.parametrize("case", CALLS)
    def test_a_judgement_is_a_veto_or_nothing(self, case: str) -> None:
        for answer in self.ask("sympozium_tool_call", call=CALLS[case]):
            assert isinstance(answer, Veto), f"{type(answer).__name__} is no Veto, and denies the call"

    @pytest.mark.parametrize("case", CALLS)
    def test_a_veto_has_words(self, case: str) -> None:
        for answer in self.ask("sympozium_tool_call", call=CALLS[case]):
            assert str(getattr(answer, "because", "")).strip(), (
                "the model is told Veto.because, and has to know what to do instead"
            )

    @pytest.mark.parametrize("case", CALLS)
    def test_a_judgement_leaves_the_arguments_alone(self, case: str) -> None:
        given = copy.deepcopy(CALLS[case])
        self.ask("sympozium_tool_call", call=given)
        assert given == CALLS[case]

    @pytest.mark.parametrize("case", CALLS)
    def test_a_judgement_is_the_same_each_time(self, case: str) -> None:
        """A call that a person was asked about is judged again before it runs."""
        one, other = (self.ask("sympozium_tool_call", call=CALLS[case]) for _ in range(2))
        assert one == other

    @pytest.mark.parametrize("case", EVENTS)
    def test_an_event_is_taken_and_not_answered(self, case: str) -> None:
        assert self.ask("sympozium_run_event", event=EVENTS[case]) == [], "nobody takes an answer of sympozium_run_event"

    @pytest.mark.parametrize("case", EVENTS)
    def test_an_event_that_comes_again_does_no_harm(self, case: str) -> None:
        for _ in range(2):
            self.ask("sympozium_run_event", event=copy.deepcopy(EVENTS[case]))

    @pytest.mark.parametrize("case", EVENTS)
    def test_an_event_is_left_alone(self, case: str) -> None:
        given = copy.deepcopy(EVENTS[case])
        self.ask("sympozium_run_event", event=given)
        assert given == EVENTS[case], "others are told the same event"

    def test_commands_can_be_run_and_explained(self) -> None:
        for name, parser in self._commands().items():
            assert callable(parser.get_default("run")), f"{name}: set_defaults(run=function) is missing"
            assert parser.format_help(), name

    def test_commands_are_none_of_the_cores(self) -> None:
        taken = sorted(set(self._commands()) & set(COMMANDS))
        assert not taken, f"Sympozium has these commands itself: {', '.join(taken)}"

    def test_commands_are_there_each_time(self) -> None:
        assert set(self._commands()) == set(self._commands())
        assert self._commands(), "it implements sympozium_cli_commands and adds none"

    def _review(self, case: str) -> list[Any]:
        run, instance = RUNS[case]
        return self.ask("sympozium_review_run", run=run, instance=instance)

    def _commands(self) -> Mapping[str, argparse.ArgumentParser]:
        subcommands = argparse.ArgumentParser("sympozium").add_subparsers()
        self.ask("sympozium_cli_commands", subcommands=subcommands)
        return dict(subcommands.choices)

    def _import(self, then: str) -> subprocess.CompletedProcess[str]:
        """The plugin's module in a process that has imported nothing but hooks."""
        plugin = self.plugin
        module = plugin.__name__ if isinstance(plugin, types.ModuleType) else type(plugin).__module__
        return imported_alone(module, then, "import sympozium_core.hooks, sympozium_core.errors; before = set(sys.modules)")


def _hooks() -> list[str]:
    from sympozium_core import hooks

    return [name for name in vars(hooks) if name.startswith("sympozium_")]
