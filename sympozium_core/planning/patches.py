"""Applying what hook plugins want changed to a plan: typed, and never wider than it was."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

from sympozium_core.contracts.plan import Limits, RunPlan
from sympozium_core.contracts.tool_policy import ToolPolicy, ToolRule
from sympozium_core.errors import Cause, Refused
from sympozium_core.hooks import PlanPatch


def apply_patch(plan: RunPlan, patch: PlanPatch) -> RunPlan:
    """Raises Refused for a patch that names no field, or would widen: the plan stays as it was."""
    if patch.prompt_section:
        plan = replace(plan, prompt_sections=(*plan.prompt_sections, patch.prompt_section))
    if patch.limits:
        plan = replace(plan, limits=_tighter(plan.limits, patch))
    if patch.deny_tools:
        plan = replace(plan, tools=_denied(plan.tools, patch), native_tools=_without(plan.native_tools, patch.deny_tools))
    if patch.environment:
        plan = _with_environment(plan, patch)
    return plan


def _tighter(limits: Limits, patch: PlanPatch) -> Limits:
    known = {field.name: field.type for field in dataclasses.fields(Limits)}
    changes: dict[str, float | int] = {}
    for name, wanted in patch.limits.items():
        if name not in known:
            raise Refused([Cause(f"limits.{name}", "no such limit", f"one of {', '.join(known)}")])
        current = getattr(limits, name)
        if not 0 < wanted <= current:
            raise Refused(
                [Cause(f"limits.{name}", f"{wanted} is not between 0 and the {current} that is set", "a plugin only tightens")]
            )
        changes[name] = type(current)(wanted)
    return replace(limits, **changes)  # type: ignore[arg-type]  # each value has the type of the field that it replaces


def _denied(tools: ToolPolicy, patch: PlanPatch) -> ToolPolicy:
    because = patch.because or "a plugin denies it"
    return replace(
        tools,
        narrowed_by=(
            *tools.narrowed_by,
            ToolPolicy("allow", "", tuple(ToolRule(tool, "deny", because) for tool in patch.deny_tools)),
        ),
    )


def _without(native: tuple[str, ...], denied: tuple[str, ...]) -> tuple[str, ...]:
    policy = ToolPolicy("allow", "", tuple(ToolRule(tool, "deny", "") for tool in denied))
    return tuple(tool for tool in native if policy.decide(tool).action == "allow")


def _with_environment(plan: RunPlan, patch: PlanPatch) -> RunPlan:
    reserved = [name for name in patch.environment if name.startswith("SYMPOZIUM_")]
    if reserved:
        raise Refused([Cause("environment", f"{', '.join(reserved)} is the core's own", "choose another prefix")])
    containers = tuple(
        replace(container, env={**container.env, **patch.environment}) if container.role == "skill" else container
        for container in plan.pod.containers
    )
    return replace(plan, pod=replace(plan.pod, containers=containers))
