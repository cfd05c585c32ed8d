"""What becomes of a run that is under way when a policy that binds it is changed: it only ever gets stricter. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from sympozium_core.contracts.plan import RunPlan, to_json
from sympozium_core.contracts.tool_policy import STRICTNESS, Action, ToolPolicy, ToolRule, UntoldCall
from sympozium_core.names import Tool

MAX_PARTS, MAX_BYTES = 64, 512 * 1024
"""Versions of policies that a run carries with it, and their size as JSON: its status holds them all. A run whose policies change more than that
calls no more tools."""
_TOO_MANY = ToolPolicy("deny", "the run's policies have changed more often, or are longer, than a run can carry with it")
_ANY_OTHER = "any_other_tool"


def tightened(held: ToolPolicy, now: ToolPolicy, served: Collection[str]) -> ToolPolicy:
    """`held`, or `held` and `now` together where `now` is stricter for a tool. `served` are the run's tools as far as they are known; the names in
    both policies are looked at besides. Where conditions cannot be compared, both hold: that is never wider."""
    if not any(_stricter(now, held, tool) for tool in _tools(served, held, now)):
        return held
    together = replace(held, narrowed_by=(*held.narrowed_by, now))
    if len(together.narrowed_by) <= MAX_PARTS and len(json.dumps(to_json(together))) <= MAX_BYTES:
        return together
    if _TOO_MANY in held.narrowed_by:
        return held
    return replace(held, narrowed_by=(*held.narrowed_by, _TOO_MANY))


def differences(before: ToolPolicy, after: ToolPolicy, served: Collection[str]) -> list[str]:
    """In words, what tools get less: ``execute_command (allow before, now deny)``."""
    found = []
    for tool in _tools(served, before, after):
        old, new = before.decide(tool).action, after.decide(tool).action
        if tool != _ANY_OTHER and old != new:
            found.append(f"{tool} ({old} before, now {new})")
    return found


def with_tools(plan: RunPlan, tools: ToolPolicy) -> RunPlan:
    """The plan of a run whose policy was tightened."""
    native = tuple(tool for tool in plan.native_tools if tools.decide(tool, UntoldCall()).action == "allow")
    return replace(plan, tools=tools, native_tools=native)


def _stricter(now: ToolPolicy, held: ToolPolicy, tool: str) -> bool:
    """Whether `now` may hold back a call of the tool that `held` lets through, or would ask about."""
    for part in now.all_parts():
        reached = _said(part.reached(tool))
        worst = max(STRICTNESS[action] for action, _ in reached)
        known = worst <= STRICTNESS[held.decide(tool).action]
        if not known and all(_said(other.reached(tool)) != reached for other in held.all_parts()):
            return True
    return False


def _said(rules: Iterable[ToolRule]) -> list[tuple[Action, str]]:
    return [(rule.action, rule.when) for rule in rules]


def _tools(served: Collection[str], *policies: ToolPolicy) -> list[str]:
    return list(
        dict.fromkeys((*sorted(served), *map(str, Tool), *(name for each in policies for name in _named(each)), _ANY_OTHER))
    )


def _named(policy: ToolPolicy) -> Iterator[str]:
    """The tools that the rules name, and one for each pattern."""
    for part in policy.all_parts():
        for rule in part.rules:
            yield rule.tool.replace("*", "x").replace("?", "x")
