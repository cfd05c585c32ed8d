"""A policy that is changed while runs are under way: what it now holds back is held back from them too; what it now lets through is not for them.

The journal has it first, so that a bridge hears of it and a later one is told; then the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from sympozium_core.contracts.cluster import Invalid, Object
from sympozium_core.contracts.plan import Limits, RunPlan, digest, to_json
from sympozium_core.contracts.plan_reading import tool_policy_from_json
from sympozium_core.contracts.tool_policy import ToolPolicy
from sympozium_core.controllers.agentrun.context import INDEX_STAGE, RunContext
from sympozium_core.controllers.agentrun.journal import Record
from sympozium_core.controllers.agentrun.status import Stage, status_of, write_status
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.planning.fetching import server_guard
from sympozium_core.planning.limits import below, lowered, tighter
from sympozium_core.planning.reach import lost, model_refusal, narrowed, reach_of
from sympozium_core.planning.tightening import differences, tightened, with_tools
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.key import Key, key_of

SHOWN = 5
"""Tools that an Event names."""


class PolicyChanges:
    """Has the runs looked at that a changed policy may bind."""

    def __init__(self, context: RunContext, enqueue: Callable[[Key], None]) -> None:
        self._context, self._enqueue = context, enqueue

    def changed(self, old: View | None, new: View | None) -> None:
        """Told of each change of a policy. One that is gone changes nothing for the runs that it was for."""
        if new is None or (old is not None and old["metadata"].get("generation") == new["metadata"].get("generation")):
            return
        cache, outdated = self._context.runs.cache, self._context.outdated
        alive = [run for stage in (Stage.WAITING, Stage.PLACED) for run in cache.by_index(INDEX_STAGE, stage)]
        outdated &= {run["metadata"]["uid"] for run in alive}
        for run in alive:
            if new["metadata"]["namespace"] in (run["metadata"]["namespace"], SYSTEM_NAMESPACE):
                outdated.add(run["metadata"]["uid"])
                self._enqueue(key_of(run))


async def plan_of(context: RunContext, uid: str) -> RunPlan:
    """The run's plan as it holds by now."""
    return as_held(await context.plans.load(uid), await context.journals.read(uid))


def as_held(plan: RunPlan, record: Record) -> RunPlan:
    """What is left of a plan."""
    if record.policy is None:
        return plan
    reach = reach_of(plan, record.policy)
    less = with_tools(plan, _tools(plan, record))
    return replace(
        less,
        limits=_limits(plan, record),
        fetch=reach.fetch,
        private_models=reach.private_models,
        private_mcp=reach.private_mcp,
    )


class Held(NamedTuple):
    """What has come of holding a run against its policies."""

    record: Record
    refusal: str = ""
    """Why it may not go on at all."""


async def tighten(context: RunContext, run: Object, plan: RunPlan, record: Record) -> Held:
    """Holds the run against its policies as they are now, if one of them has changed. `plan` is as it was made."""
    uid, refusal = run["metadata"]["uid"], ""
    if uid not in context.outdated:
        await _stamp(context, run, record)
        return Held(record)
    context.outdated.discard(uid)  # first: what changes from here on is looked at once more
    try:
        refusal = await _against_now(context, run, plan, record)
        record = await context.journals.read(uid)
        await _stamp(context, run, record)
    except Invalid as error:  # stored by another version: new runs are not planned by it either
        context.warning(run, "PolicyUnreadable", f"the run keeps the policy that it has: {error.message}")
    except BaseException:
        context.outdated.add(uid)
        raise
    if not record.started:  # until then nobody knows all of the tools
        context.outdated.add(uid)
    return Held(record, refusal)


async def _against_now(context: RunContext, run: Object, plan: RunPlan, record: Record) -> str:
    """Why the run may not go on; empty when it may, with less perhaps, which the journal then says."""
    uid, policies = run["metadata"]["uid"], await context.binding(run)
    tools, limits, reach, served = _tools(plan, record), _limits(plan, record), reach_of(plan, record.policy), _served(record)
    less, by, named = [], [], (status_of(run).get("effectivePolicy") or {}).get("name")
    for number, policy in enumerate(policies):
        narrower, fewer = tightened(tools, policy.tools, served), tighter(limits, policy)
        nearer = narrowed(reach, policy, named=number == 0 and policy.name == named)
        guard = server_guard(nearer.private_models, on_this_machine=context.single_user)
        if refusal := model_refusal(plan, policy, guard):
            return refusal
        if narrower != tools or fewer or nearer != reach:
            by.append(policy.name)
            less += [*(differences(tools, narrower, served) or ["conditions"] if narrower != tools else [])]
            less += [f"limits.{field} is {most:g}" for field, most in fewer.items()]
            less += lost(reach, nearer)
        tools, limits, reach = narrower, lowered(limits, fewer), nearer
    if by:
        all_by = list(dict.fromkeys((*((record.policy or {}).get("by") or ()), *by)))
        held = {"tools": to_json(tools), "limits": below(plan.limits, limits), **reach.to_json()}
        await context.journals.say(uid, {"type": "policy", "by": all_by, **held})
        what = ", ".join(less[:SHOWN]) + (f" and {len(less) - SHOWN} more" if len(less) > SHOWN else "")
        told = f"policy {', '.join(by)} was tightened: {what}; it holds for the calls from now on"
        context.warning(run, "PolicyTightened", told)
    return ""


async def _stamp(context: RunContext, run: Object, record: Record) -> None:
    """The status says what the journal does: gateways go by it."""
    if record.policy is None:
        return
    stamp, tools = status_of(run).get("effectivePolicy") or {}, record.policy["tools"]
    told = {field: record.policy.get(field) for field in ("limits", "fetch", "privateModels", "privateMcp")}
    changes = {"digest": digest(tools), "tools": tools, **told, "tightenedBy": record.policy["by"]}
    await write_status(context.cluster, run, {"effectivePolicy": {**stamp, **changes}})


def _tools(plan: RunPlan, record: Record) -> ToolPolicy:
    return plan.tools if record.policy is None else tool_policy_from_json(record.policy["tools"])


def _limits(plan: RunPlan, record: Record) -> Limits:
    return plan.limits if record.policy is None else lowered(plan.limits, record.policy["limits"])


def _served(record: Record) -> set[str]:
    """The tools of the run's servers, by what its bridges have said."""
    found: set[str] = set()
    for started in record.started.values():
        servers: Mapping[str, Any] = started.get("servers") or {}
        found.update(str(tool) for tools in servers.values() for tool in tools)
    return found
