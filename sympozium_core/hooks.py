"""Every hook, in the order in which a run meets them: the table of contents of what a plugin may change.

A plugin is a module or object in the entry point group ``sympozium.hooks`` (loaded by the control plane and the CLI) or
``sympozium.hooks.bridge`` (loaded by the bridge); it marks its functions with `hookimpl`. Hooks are synchronous and quick; plugins are asked
in the order of their names. A hook that raises is recorded against its plugin and, unless its text says otherwise, has no say.

    from sympozium_core.hooks import hookimpl

    @hookimpl
    def sympozium_review_run(run, instance):
        if "prod" in run["metadata"]["namespace"]:
            return [Cause("metadata.namespace", "no agents in production on a Friday", "wait for Monday")]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import argparse

    from sympozium_core.contracts.plan import RunPlan
    from sympozium_core.errors import Cause

PROJECT = "sympozium"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class PlanPatch:
    """A change to a plan: fields of `contracts.plan.RunPlan` that a plugin may set. Applied in the order of the plugins' names."""

    prompt_section: str = ""
    """Added to the system prompt."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """Fields of `Limits`; a limit can only be made tighter."""
    deny_tools: tuple[str, ...] = ()
    """Tools that this run may not call, with `because` as the reason."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment of the skill sidecars; names beginning with SYMPOZIUM_ are refused."""
    because: str = ""


@dataclass(frozen=True)
class ToolCall:
    """One call, as the bridge has checked it."""

    run_uid: str
    call_id: str
    tool: str
    server: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Veto:
    because: str


@dataclass(frozen=True)
class RunEvent:
    """One entry of a run's journal. `source` is ``pod``, ``gw`` or ``ctl``: only the latter two are trustworthy."""

    run_uid: str
    namespace: str
    name: str
    source: str
    sequence: int
    entry: Mapping[str, Any]


@hookspec
def sympozium_review_run(run: Mapping[str, Any], instance: Mapping[str, Any]) -> Sequence[Cause] | None:
    """Refuse a run. When: at admission and again before it is planned. Where: control plane. `run` and `instance` are the objects in
    normal form, not to be changed. Combines: every cause of every plugin refuses. An exception refuses too, naming the plugin."""


@hookspec
def sympozium_patch_plan(plan: RunPlan) -> PlanPatch | None:
    """Change what was planned. When: once per run, before the digest is stamped. Where: control plane. Combines: all, in the order of the
    plugins' names, each seeing the plan as the one before left it. An exception leaves the plan as it was, with an Event on the run."""


@hookspec
def sympozium_tool_call(call: ToolCall) -> Veto | None:
    """Veto a tool call. When: after the policy allowed it, before the sidecar sees it. Where: bridge (group ``sympozium.hooks.bridge``).
    Combines: the first veto denies. An exception denies: a gate that fails is closed."""


@hookspec
def sympozium_run_event(event: RunEvent) -> None:
    """See what happens. When: after the journal stored it; at least once, so use `sequence` to drop repeats. Where: control plane.
    Combines: all are told."""


@hookspec
def sympozium_cli_commands(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add commands to the CLI. When: for a command the core does not know, and for ``sympozium plugins commands``; never for ``--help``, which loads no plugin.
    Where: CLI. Combines: all; a name that is taken raises in that plugin alone. Set ``run`` by ``set_defaults(run=function)``; it gets
    the parsed arguments and returns an exit code."""
