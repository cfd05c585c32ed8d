"""Hook plugins with nothing wrong with them."""

from __future__ import annotations

from typing import Any

from sympozium_core.errors import Cause
from sympozium_core.hooks import PlanPatch, Veto, hookimpl


class Sound:
    @hookimpl
    def sympozium_review_run(self, run: Any, instance: Any) -> list[Cause] | None:
        return [Cause("spec.task", "is too long", "say it in fewer words")] if len(run["spec"]["task"]) > 1_000 else None

    @hookimpl
    def sympozium_patch_plan(self, plan: Any) -> PlanPatch:
        return PlanPatch(
            "Be polite.", {"max_turns": min(plan.limits.max_turns, 5)}, ("write_file",), {"TEAM": "a"}, "it is Friday"
        )

    @hookimpl
    def sympozium_run_event(self, event: Any) -> None:
        str(event.entry.get("type"))

    @hookimpl
    def sympozium_cli_commands(self, subcommands: Any) -> None:
        subcommands.add_parser("hello", help="say hello").set_defaults(run=lambda arguments: 0)


class SoundGate:
    @hookimpl
    def sympozium_tool_call(self, call: Any) -> Veto | None:
        return Veto("this tool is not for agents") if "x" * 1_000 in str(call.arguments) else None
