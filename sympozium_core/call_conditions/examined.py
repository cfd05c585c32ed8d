"""One call as tool rules look at it: implements `contracts.tool_policy.CallFacts`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sympozium_core.call_conditions.argv import argv_of
from sympozium_core.call_conditions.expression import BadCondition, Facts, condition
from sympozium_core.contracts.tool_policy import ToolPolicy

NO_ARGV = (
    "this command has no argv, because it is not free of what only a shell can do (operators, expansions, patterns, lines)"
)
SHOWN = 3
"""Conditions that a hint names."""


class ExaminedCall:
    def __init__(
        self, tool: str, server: str, arguments: Mapping[str, Any], annotations: Mapping[str, bool] | None = None
    ) -> None:
        """`annotations` are there for tools of MCP servers, by what the control plane has found out."""
        self.tool, self.server, self.arguments, self.annotations = tool, server, arguments, annotations

    @cached_property
    def argv(self) -> tuple[str, ...] | None:
        return argv_of(self.tool, self.arguments)

    def holds(self, when: str) -> bool | None:
        try:
            return condition(when).holds(Facts(self.tool, self.server, self.arguments, self.argv, self.annotations))
        except BadCondition:  # not of this version: admission refuses what cannot be compiled
            return None

    def bound_argv(self, policy: ToolPolicy) -> tuple[str, ...]:
        """The words that the call has to be run with, without a shell; empty where no rule on the tool looks at them. What was decided of
        the words then holds for what runs, whatever a shell would have made of the line."""
        return self.argv if self.argv and _looks_at_argv(policy, self.tool) else ()

    def hint(self, policy: ToolPolicy) -> str:
        """For whoever had the call denied: what the conditions of the tool's rules ask for. Empty where there are none."""
        allowing = [
            rule.when for part in policy.all_parts() for rule in part.reached(self.tool) if rule.when and rule.action == "allow"
        ]
        said = f"it may be called when {' or when '.join(allowing[:SHOWN])}" if allowing else ""
        if self.argv is None and _looks_at_argv(policy, self.tool):
            said += ("; " if said else "") + NO_ARGV
        return said


def _looks_at_argv(policy: ToolPolicy, tool: str) -> bool:
    return any(_uses_argv(rule.when) for part in policy.all_parts() for rule in part.reached(tool) if rule.when)


def _uses_argv(when: str) -> bool:
    try:
        return condition(when).uses_argv
    except BadCondition:
        return True
