"""`input/task.json` from a plan. Pure."""

from __future__ import annotations

from sympozium_core.bridge.assignment import Assignment, Earlier
from sympozium_core.bridge.offer import Offer
from sympozium_core.contracts.mcp import missing_section
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.ipc.task import ModelEndpoint, Resume, RunIdentity, SkillEntry, Task, TaskLimits


def task(assignment: Assignment, offer: Offer, endpoint: ModelEndpoint) -> Task:
    plan, limits = assignment.plan, assignment.plan.limits
    return Task(
        run=RunIdentity(plan.uid, plan.name, plan.namespace, plan.instance, assignment.attempt),
        text=plan.task,
        system_prompt=plan.system_prompt,
        prompt_sections=(*plan.prompt_sections, *_missing(offer)),
        model=endpoint,
        tools=offer.tools,
        skills=_skills(plan),
        limits=TaskLimits(
            max_turns=limits.max_turns,
            max_tool_calls=limits.max_tool_calls,
            deadline=assignment.deadline,
            context_bytes=limits.context_bytes,
            tool_result_bytes=limits.tool_result_bytes,
            approval_seconds=plan.approvals.timeout,
        ),
        resume=_resume(assignment.earlier, assignment.workspace_lost)
        if plan.resumes and assignment.earlier and assignment.earlier.messages
        else None,
    )


def _missing(offer: Offer) -> tuple[str, ...]:
    section = missing_section(dict.fromkeys(offer.silent, "it did not answer when the run began"))
    return (section,) if section else ()


def _skills(plan: RunPlan) -> tuple[SkillEntry, ...]:
    return tuple(SkillEntry(skill.name, skill.description, f"/skills/{skill.path}") for skill in plan.pod.skills)


def _resume(earlier: Earlier, workspace_lost: bool) -> Resume:
    """Of all results only those that the conversation does not hold yet: a task has a bound, and the runner asks for no others."""
    told = {message.get("tool_call_id") for message in earlier.messages}
    return Resume(
        messages=earlier.messages,
        tool_results={call: result for call, result in earlier.tool_results.items() if call not in told},
        unknown=earlier.unknown - told,
        workspace_lost=workspace_lost,
    )
