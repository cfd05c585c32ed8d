"""One function a hook: asks the relay and combines the answers as the hook's text in `hooks.py` says."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sympozium_core.contracts.plan import RunPlan
from sympozium_core.errors import Cause
from sympozium_core.hooks import PlanPatch, RunEvent, ToolCall, Veto
from sympozium_core.registry.loading import Failure, one_line
from sympozium_core.registry.relay import Relay


def review_run(relay: Relay, run: Mapping[str, Any], instance: Mapping[str, Any]) -> list[Cause]:
    """Every cause of every plugin; a plugin that raises, or answers with anything but causes, refuses too. Empty: nobody objects."""
    causes: list[Cause] = []
    for plugin in relay.plugins:
        answer = relay.ask(plugin, "sympozium_review_run", run=run, instance=instance)
        if isinstance(answer, Failure):
            causes.append(_refusal(answer))
            continue
        for result in answer:
            given = list(result) if isinstance(result, Sequence) and not isinstance(result, str) else [result]
            if all(isinstance(cause, Cause) for cause in given):
                causes.extend(given)
            else:
                message = f"answered with {type(result).__name__} instead of a list of Cause"
                causes.append(_refusal(relay.fail(plugin, "sympozium_review_run", message)))
    return causes


def patch_plan(relay: Relay, plan: RunPlan, apply: Callable[[RunPlan, PlanPatch], RunPlan]) -> tuple[RunPlan, list[Failure]]:
    """The plan as the plugins leave it, each seeing what the one before left. `apply` makes one change, or raises to refuse it.

    The failures are for an Event on the run: whoever raised, or gave a patch that is refused, has changed nothing.
    """
    failures: list[Failure] = []
    for plugin in relay.plugins:
        answer = relay.ask(plugin, "sympozium_patch_plan", plan=plan)
        if isinstance(answer, Failure):
            failures.append(answer)
            continue
        for patch in answer:
            try:
                if not isinstance(patch, PlanPatch):
                    raise TypeError(f"answered with {type(patch).__name__} instead of a PlanPatch")
                plan = apply(plan, patch)
            except Exception as error:
                failures.append(relay.fail(plugin, "sympozium_patch_plan", one_line(error)))
    return plan, failures


def veto_tool_call(relay: Relay, call: ToolCall) -> Veto | None:
    """The first veto; a plugin that raises, or answers with anything but a Veto, vetoes: a gate that fails is closed.

    The veto says whose it is, and is never without words. It goes to the agent, so what a plugin raised is in `relay.failures` and the log alone.
    """
    for plugin in relay.plugins:
        who = f"plugin {plugin.source.name}"
        answer = relay.ask(plugin, "sympozium_tool_call", call=call)
        if isinstance(answer, Failure):
            return Veto(f"{who} failed, and a gate that fails is closed")
        for result in answer:
            if isinstance(result, Veto):
                return Veto(f"{who}: {result.because}")
            failure = relay.fail(plugin, "sympozium_tool_call", f"answered with {type(result).__name__} instead of a Veto")
            return Veto(f"{who} {failure.message}, and a gate that fails is closed")
    return None


def tell_run_event(relay: Relay, event: RunEvent) -> None:
    """All are told; whoever raises is recorded and nothing else."""
    relay.ask_all("sympozium_run_event", event=event)


def add_cli_commands(relay: Relay, subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[Failure]:
    """All may add commands; the failures, such as a name that is taken, are for standard error."""
    return list(relay.ask_all("sympozium_cli_commands", subcommands=subcommands).failures)


def _refusal(failure: Failure) -> Cause:
    return Cause("", f"plugin {failure.plugin} could not review the run: {failure.message}", "mend or uninstall the plugin")
