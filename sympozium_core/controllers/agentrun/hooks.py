"""Runs one lifecycle hook: its pod is made once, and it may take its time from the moment in which its container has started."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.clock import rfc3339
from sympozium_core.contracts.bus import LimitReached
from sympozium_core.contracts.cluster import Invalid, Object
from sympozium_core.contracts.plan import HookPlan, PodPlan, RunPlan
from sympozium_core.contracts.sandbox import NoRoom, PodStatus
from sympozium_core.controllers.agentrun import identity, workspace_claims
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.hook_record import (
    POST_RUN,
    PRE,
    PRE_RUN,
    Entry,
    HookEnd,
    HookState,
    changed,
    end_of,
    hooks_of,
    state_of,
)
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.errors import Permanent
from sympozium_core.names import Reason
from sympozium_core.planning.lifecycle import denied_by_now
from sympozium_core.reconcile.controller import Result

START_WITHIN = 300.0
"""Seconds in which a hook's container has to start, its image pulled and its volume bound."""
AGAIN = 5.0
"""Seconds after which a pod that found no room is asked for again, where its runtime does not say."""
GRACE = 2.0
"""Seconds that a hook gets to end by itself when its time is over."""
MAX_MESSAGE = 1000

log = logging.getLogger(__name__)


async def write(context: RunContext, run: Object, changes: Mapping[str, Any]) -> Object:
    """Returns when the cache has it: a hook that is on record as over must never look as if it had not started."""
    written = await write_status(context.cluster, run, changes)
    await context.runs.wait_until(written["metadata"]["resourceVersion"])
    return written


async def advance(
    context: RunContext, run: Object, plan: RunPlan, entry: Entry, environment: Mapping[str, str]
) -> tuple[Object, Result | HookEnd]:
    """Brings one hook one step on: when to look again, or how it ended, which is not on record yet."""
    if state_of(entry) is HookState.WAITING:
        run, entry = await _begin(context, run, entry)
    since, pod = float(entry["since"]), str(entry["pod"])
    hook = _plan_of(run, plan, entry)
    is_up = state_of(entry) is HookState.RUNNING
    left = since + (hook.timeout if is_up else START_WITHIN) - context.clock.now()
    status = await context.sandbox.observe(pod)
    if status.state == "ended":
        return run, end_of(status)
    if status.state == "absent" and is_up:
        return run, end_of(PodStatus("absent", lost=True))
    if left <= 0:
        await context.sandbox.stop(pod, grace=GRACE if is_up else 0.0)
        return run, _out_of_time(hook, entry, status)
    if status.state == "absent":
        try:
            return run, Result(requeue_after=await _start(context, run, plan, hook, entry, environment) or left)
        except Permanent as error:
            reason = next((reason for reason in Reason if reason == error.reason), Reason.INFRASTRUCTURE_ERROR)
            return run, HookEnd(reason, f"could not be started: {error}")
    if status.state == "running" and not is_up:
        now = context.clock.now()
        up = {"state": HookState.RUNNING, "since": now, "startedAt": rfc3339(now), "message": None}
        run = await write(context, run, {"hooks": changed(run, entry, **up)})
        return run, Result(requeue_after=hook.timeout)
    if status.state == "starting" and status.message:
        run = await _held_up(context, run, entry, status.message)
    return run, Result(requeue_after=left)


async def record(
    context: RunContext, run: Object, entry: Entry, end: HookEnd, further: Mapping[str, Any] | None = None
) -> Object:
    """Puts the end of a hook on record, with `further` changes of the status in the same write, and tells of it."""
    state = HookState.FAILED if end.failure else HookState.SUCCEEDED
    now = context.clock.now()
    await _say(context, run, entry, state, end)
    run = await write(
        context,
        run,
        {
            "hooks": changed(
                run,
                entry,
                state=state,
                since=None,
                finishedAt=rfc3339(now),
                exitCode=end.exit_code,
                reason=end.failure,
                message=(end.message or end.said)[:MAX_MESSAGE] or None,
            ),
            **(further or {}),
        },
    )
    if end.failure:
        context.warning(run, "HookFailed", f"{titled(entry)} {end.message}"[:MAX_MESSAGE])
    else:
        context.normal(run, "HookSucceeded", titled(entry))
    return run


async def settle(context: RunContext, run: Object) -> None:
    """Behind hooks that are over, before the next pod: nobody has their rights any more, and nothing is left of their pods but the workspace.
    Idempotent."""
    await identity.revoke_hooks(context, run)
    await clear(context, run)


async def clear(context: RunContext, run: Object) -> None:
    """Removes the pods of hooks that are over, and with each the token that it had. Idempotent."""
    for entry in status_of(run).get("hooks") or ():
        if state_of(entry) in (HookState.SUCCEEDED, HookState.FAILED):
            await context.sandbox.remove(str(entry["pod"]), keep_workspace=True)


async def stop(context: RunContext, run: Object, entry: Entry) -> Object:
    """Ends a hook at once, because its run is cancelled."""
    await identity.revoke_hooks(context, run)
    if state_of(entry) is HookState.WAITING:
        return run
    await context.sandbox.stop(str(entry["pod"]), grace=0.0)
    return await record(context, run, entry, HookEnd(Reason.CANCELLED, "was ended: the run was cancelled"))


def titled(entry: Entry) -> str:
    return f"{entry['phase']} hook {entry['name']!r}"


async def _begin(context: RunContext, run: Object, entry: Entry) -> tuple[Object, Entry]:
    await _say(context, run, entry, HookState.STARTING, HookEnd())
    begun = changed(run, entry, state=HookState.STARTING, since=context.clock.now())
    pods = [each["pod"] for each in hooks_of(run, entry["phase"])]
    turn = f"hook {entry['name']!r}, {pods.index(entry['pod']) + 1} of {len(pods)}"
    condition = PRE_RUN if entry["phase"] == PRE else POST_RUN
    told = conditions(run, condition, False, "Running", turn, context.clock)
    run = await write(context, run, {"hooks": begun, "conditions": told})
    context.normal(run, "HookStarted", f"{titled(entry)} in pod {entry['pod']}")
    return run, next(each for each in begun if each["pod"] == entry["pod"])


async def _start(
    context: RunContext, run: Object, plan: RunPlan, hook: HookPlan, entry: Entry, environment: Mapping[str, str]
) -> float:
    """Makes the pod and all that it needs; seconds until it is to be asked for again, 0 when it was made. Raises Temporary, Permanent."""
    pods = [str(pod) for pod in status_of(run).get("pods") or ()]
    earlier = pods[: pods.index(str(entry["pod"]))]
    await _check_policies(context, run, plan, hook)
    await clear(context, run)
    if context.network is not None:
        await context.network.ensure(hook.pod)
    await identity.ensure_hooks(context, run, plan)
    try:
        await workspace_claims.ensure(context, run)
        await context.sandbox.start(
            str(entry["pod"]), _with_environment(hook.pod, environment), workspace_of=earlier[-1] if earlier else ""
        )
    except NoRoom as refusal:
        await _held_up(context, run, entry, f"{refusal.reason}: {refusal}")
        return refusal.after or AGAIN
    return 0.0


async def _check_policies(context: RunContext, run: Object, plan: RunPlan, hook: HookPlan) -> None:
    """A policy that was tightened since the run was admitted binds a hook that has not begun. Raises Permanent."""
    try:
        policies = await context.binding(run)
    except Invalid as error:  # stored by another version
        context.warning(run, "PolicyUnreadable", f"the run keeps the policy that it has: {error.message}")
        return
    if why := denied_by_now(hook, plan.hook_identity, policies):
        raise Permanent(why, reason=Reason.POLICY_DENIED)


def _with_environment(pod: PodPlan, environment: Mapping[str, str]) -> PodPlan:
    containers = tuple(replace(each, env={**each.env, **environment}) for each in pod.containers)
    return replace(pod, containers=containers)


def _plan_of(run: Object, plan: RunPlan, entry: Entry) -> HookPlan:
    """By its place: status and plan name the same hooks in the same order."""
    places = [each["pod"] for each in status_of(run).get("hooks") or ()]
    return plan.hooks[places.index(entry["pod"])]


def _out_of_time(hook: HookPlan, entry: Entry, status: PodStatus) -> HookEnd:
    if state_of(entry) is HookState.RUNNING:
        return HookEnd(Reason.TIMEOUT, f"did not end within its timeout of {hook.timeout:g} s")
    why = status.message or str(entry.get("message") or "")
    return HookEnd(Reason.TIMEOUT, f"did not start within {START_WITHIN:g} s" + (f": {why}" if why else ""))


async def _held_up(context: RunContext, run: Object, entry: Entry, why: str) -> Object:
    """Told once for each reason: the rest of the text often counts seconds or tries."""
    reason = why.partition(":")[0]
    if str(entry.get("message") or "").partition(":")[0] == reason:
        return run
    context.warning(run, reason, f"{titled(entry)} does not start: {why}"[:MAX_MESSAGE])
    return await write(context, run, {"hooks": changed(run, entry, message=why[:MAX_MESSAGE])})


async def _say(context: RunContext, run: Object, entry: Entry, state: HookState, end: HookEnd) -> None:
    """On the run's journal, for whoever follows it."""
    said: dict[str, Any] = {"type": "hook", "name": entry["name"], "phase": entry["phase"], "state": state}
    if state.over:
        said |= {"exitCode": end.exit_code, "message": (end.message or end.said)[:MAX_MESSAGE]}
    try:
        await context.journals.say(run["metadata"]["uid"], {**said, "attempt": int(status_of(run)["attempt"])})
    except LimitReached as error:
        log.warning("the journal of run %s has no room for its hooks: %s", run["metadata"]["uid"], error)
