"""A policy that is changed while runs are under way: what it now holds back is held back from them too; what it now lets through is not for them.

The journal has it first, so that a bridge hears of it and a later one is told; then the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.cluster import Invalid, Object
from sympozium_core.contracts.plan import Limits, RunPlan, ToolPolicy, digest, to_json
from sympozium_core.contracts.plan_reading import tool_policy_from_json
from sympozium_core.controllers.agentrun.context import INDEX_STAGE, RunContext
from sympozium_core.controllers.agentrun.journal import Record
from sympozium_core.controllers.agentrun.status import Stage, status_of, write_status
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.planning.limits import counts_below, tighter_counts, with_counts
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
    """The run's plan with its tool policy as it is by now."""
    plan, record = await context.plans.load(uid), await context.journals.read(uid)
    if record.policy is None:
        return plan
    return replace(with_tools(plan, _tools(plan, record)), limits=_limits(plan, record))


async def tighten(context: RunContext, run: Object, plan: RunPlan, record: Record) -> Object:
    """Holds the run against its policies as they are now, if one of them has changed; returns it as it is then."""
    uid = run["metadata"]["uid"]
    if uid not in context.outdated:
        return await _stamp(context, run, record)
    context.outdated.discard(uid)  # first: what changes from here on is looked at once more
    try:
        await _against_now(context, run, plan, record)
        run = await _stamp(context, run, await context.journals.read(uid))
    except Invalid as error:  # stored by another version: new runs are not planned by it either
        context.warning(run, "PolicyUnreadable", f"the run keeps the policy that it has: {error.message}")
    except BaseException:
        context.outdated.add(uid)
        raise
    if not record.started:  # until then nobody knows all of the tools
        context.outdated.add(uid)
    return run


async def _against_now(context: RunContext, run: Object, plan: RunPlan, record: Record) -> None:
    uid, policies = run["metadata"]["uid"], await context.binding(run)
    tools, limits, served = _tools(plan, record), _limits(plan, record), _served(record)
    less, by = [], []
    for policy in policies:
        narrower, fewer = tightened(tools, policy.tools, served), tighter_counts(limits, policy)
        if narrower != tools or fewer:
            by.append(policy.name)
            less += [*(differences(tools, narrower, served) or ["conditions"] if narrower != tools else [])]
            less += [f"limits.{field} is {most}" for field, most in fewer.items()]
        tools, limits = narrower, with_counts(limits, fewer)
    if not by:
        return
    all_by = list(dict.fromkeys((*((record.policy or {}).get("by") or ()), *by)))
    counts = counts_below(plan.limits, limits)
    await context.journals.say(uid, {"type": "policy", "by": all_by, "tools": to_json(tools), "limits": counts})
    what = ", ".join(less[:SHOWN]) + (f" and {len(less) - SHOWN} more" if len(less) > SHOWN else "")
    context.warning(run, "PolicyTightened", f"policy {', '.join(by)} was tightened: {what}; it holds for the calls from now on")


async def _stamp(context: RunContext, run: Object, record: Record) -> Object:
    """The status says what the journal does."""
    if record.policy is None:
        return run
    stamp, tools = status_of(run).get("effectivePolicy") or {}, record.policy["tools"]
    changes = {"digest": digest(tools), "tools": tools, "limits": record.policy["limits"], "tightenedBy": record.policy["by"]}
    return await write_status(context.cluster, run, {"effectivePolicy": {**stamp, **changes}})


def _tools(plan: RunPlan, record: Record) -> ToolPolicy:
    return plan.tools if record.policy is None else tool_policy_from_json(record.policy["tools"])


def _limits(plan: RunPlan, record: Record) -> Limits:
    return plan.limits if record.policy is None else with_counts(plan.limits, record.policy["limits"])


def _served(record: Record) -> set[str]:
    """The tools of the run's servers, by what its bridges have said."""
    found: set[str] = set()
    for started in record.started.values():
        servers: Mapping[str, Any] = started.get("servers") or {}
        found.update(str(tool) for tools in servers.values() for tool in tools)
    return found
