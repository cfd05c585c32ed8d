"""A policy that is changed while runs are under way: what it now holds back is held back from them too; what it now lets through is not for them.

The journal has it first, so that a bridge hears of it and a later one is told; then the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sympozium_core.contracts.cluster import Invalid, Object
from sympozium_core.contracts.plan import RunPlan, ToolPolicy, digest, to_json, tool_policy_from_json
from sympozium_core.controllers.agentrun.context import INDEX_STAGE, RunContext
from sympozium_core.controllers.agentrun.journal import Record
from sympozium_core.controllers.agentrun.status import Stage, status_of, write_status
from sympozium_core.names import SYSTEM_NAMESPACE
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
    return plan if record.policy is None else with_tools(plan, _held(plan, record))


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
    held = before = _held(plan, record)
    served, by = _served(record), []
    for policy in policies:
        narrower = tightened(held, policy.tools, served)
        if narrower != held:
            by.append(policy.name)
        held = narrower
    if held == before:
        return
    all_by = list(dict.fromkeys((*((record.policy or {}).get("by") or ()), *by)))
    await context.journals.say(uid, {"type": "policy", "by": all_by, "tools": to_json(held)})
    less = differences(before, held, served)
    what = ", ".join(less[:SHOWN]) + (f" and {len(less) - SHOWN} more" if len(less) > SHOWN else "")
    told = f"policy {', '.join(by)} was tightened: {what or 'other conditions'}"
    context.warning(run, "PolicyTightened", f"{told}; it holds for the calls from now on")


async def _stamp(context: RunContext, run: Object, record: Record) -> Object:
    """The status says what the journal does."""
    if record.policy is None:
        return run
    stamp, tools = status_of(run).get("effectivePolicy") or {}, record.policy["tools"]
    if stamp.get("digest") == digest(tools):
        return run
    changes = {**stamp, "digest": digest(tools), "tools": tools, "tightenedBy": record.policy["by"]}
    return await write_status(context.cluster, run, {"effectivePolicy": changes})


def _held(plan: RunPlan, record: Record) -> ToolPolicy:
    return plan.tools if record.policy is None else tool_policy_from_json(record.policy["tools"])


def _served(record: Record) -> set[str]:
    """The tools of the run's servers, by what its bridges have said."""
    found: set[str] = set()
    for started in record.started.values():
        servers: Mapping[str, Any] = started.get("servers") or {}
        found.update(str(tool) for tools in servers.values() for tool in tools)
    return found
