"""A run with a pod: say when it works, wait for the result, and see to it that the run ends whatever happens to its pod."""

from __future__ import annotations

import logging

from sympozium_core.contracts.bus import BusUnavailable, LimitReached
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.sandbox import PodStatus
from sympozium_core.controllers.agentrun import after, attempts, finished, identity, pod_ready, tightening, waiting
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.journal import Record
from sympozium_core.controllers.agentrun.outcome import (
    Outcome,
    cancelled,
    from_pod,
    from_result,
    never_approved,
    not_cancelled,
    out_of_budget,
    taken_away,
    timed_out,
    unapproved,
)
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.names import Phase, Reason
from sympozium_core.reconcile.controller import Result

MAX_LOSSES = 10
"""Pods of one run that may be taken away: evicted, deleted, gone with their nodes."""

log = logging.getLogger(__name__)


async def tend(context: RunContext, run: Object) -> Result | None:
    status = status_of(run)
    uid, pod = run["metadata"]["uid"], str(status["pod"])
    planned, record = await context.plans.load(uid), await context.journals.read(uid)
    plan = tightening.as_held(planned, record)
    if record.result is not None:
        run = await _tell_of_tools(context, run, plan, record)
        return await after.end(context, run, _told(context, run, plan, record, from_result(record.result)))
    if run["spec"].get("cancel"):
        return await stop(context, run, cancelled("cancelled on request"))
    left = _left(context, run, plan)
    if left <= 0:
        late = timed_out(plan.limits.timeout, pod_ready.problem(run))
        waited = _waited_for(record, attempts.deadline_of(run, plan.limits.timeout))
        return await stop(context, run, never_approved(late, waited) if waited else late)
    run = await waiting.tell(context, run)
    pod_status = await context.sandbox.observe(pod)
    if pod_status.state == "running":  # a bridge may be up, and know which tools there are, while the agent's image is nowhere
        run = await _tell_of_tools(context, run, plan, record)
    run = await pod_ready.tell(context, run, pod_status)
    if pod_status.state == "absent" and not await _was_made(context, run):
        return await attempts.start(context, run)
    if not _gone(pod_status) and _agent_ended(pod_status):
        patience = context.orphaned_for(pod, context.settings.orphan_grace)
        if patience > 0:
            return Result(requeue_after=min(left, patience))
        return await _after(context, run, pod_status, plan)
    if _gone(pod_status) or await _lost_a_server(context, run, pod_status, plan.limits.max_attempts):
        return await _after(context, run, pod_status, plan)
    held = await tightening.tighten(context, run, planned, record)
    if held.refusal:
        return await stop(context, run, Outcome(Phase.FAILED, Reason.POLICY_DENIED, held.refusal))
    return Result(requeue_after=max(0.0, _left(context, run, tightening.as_held(planned, held.record))))


def _left(context: RunContext, run: Object, plan: RunPlan) -> float:
    """Seconds until the run has had its time, and what its agent is given to say so itself."""
    return attempts.deadline_of(run, plan.limits.timeout) + context.settings.deadline_grace - context.clock.now()


async def _was_made(context: RunContext, run: Object) -> bool:
    """Whether the pod of the current attempt may have been there: it was announced, unless it was refused behind that."""
    status, record = status_of(run), await context.journals.read(run["metadata"]["uid"])
    return int(status["attempt"]) in record.started if pod_ready.was_refused(run) else str(status["pod"]) in record.announced


def _told(context: RunContext, run: Object, plan: RunPlan, record: Record, outcome: Outcome) -> Outcome:
    """What the agent says became of it. It cannot know why it was told to stop: after the deadline that is the reason; nor, whoever
    wrote it, why it was given no more answers."""
    timeout = plan.limits.timeout
    deadline = attempts.deadline_of(run, timeout)
    late = context.clock.now() >= deadline
    if outcome.phase is Phase.CANCELLED and not run["spec"].get("cancel"):
        outcome = timed_out(timeout) if late else not_cancelled(outcome)
    if outcome.reason is Reason.TIMEOUT and late and (waited := _waited_for(record, deadline)):
        return never_approved(outcome, waited)
    if outcome.reason is Reason.TOOL_ERROR and (record.refused or {}).get("approval") in ("denied", "expired"):
        assert record.refused is not None
        return unapproved(outcome, record.refused)
    if outcome.phase is Phase.FAILED and record.exceeded:
        return out_of_budget(outcome, record.exceeded)
    return outcome


def _waited_for(record: Record, deadline: float) -> list[str]:
    """Tools whose calls nobody had decided when the run's time was over; a wait that ends at the deadline may be on record just behind it."""
    last = record.refused or {}
    at_the_end = last.get("approval") in ("expired", "withdrawn") and float(last.get("at") or 0) >= deadline
    return [*record.waiting.values(), *([str(last.get("tool"))] if at_the_end else [])]


async def _tell_of_tools(context: RunContext, run: Object, plan: RunPlan, record: Record) -> Object:
    """Once an attempt's tools are known: which name several skills serve, and whose server did not come up."""
    if status_of(run).get("toolsOfAttempt") == status_of(run)["attempt"]:
        return run
    started = record.started.get(int(status_of(run)["attempt"]))
    if started is None:
        return run
    if not plan.hooks:  # now, when this pod is up and waits for its model: two starting at once would slow each other
        context.warm.replenish(plan.pod)
    trouble = [
        f"{each['tool']} is served by {', '.join(each['servers'])}: {each['chosen']} is the default"
        for each in started.get("conflicts") or []
    ]
    missing = [f"the server of skill {server} did not come up" for server in started.get("missing") or []]
    reason = "ServerMissing" if missing else "NameConflict" if trouble else "Ready"
    for message in (*trouble, *missing):
        context.warning(run, reason, message)
    ready = conditions(run, "ToolsReady", not missing, reason, "; ".join((*missing, *trouble)), context.clock)
    pod = str(status_of(run)["pod"])
    name = (await context.sandbox.observe(pod)).name or pod
    changes = {"phase": Phase.RUNNING, "podName": name, "toolsOfAttempt": started["attempt"], "conditions": ready}
    return await write_status(context.cluster, run, changes)


async def stop(context: RunContext, run: Object, otherwise: Outcome) -> Result | None:
    """Takes the run's rights away and ends its pod in good order: whatever result it still hands over counts, else `otherwise`."""
    uid, pod = run["metadata"]["uid"], str(status_of(run)["pod"])
    await identity.revoke(context, run)
    try:
        await context.journals.say(uid, {"type": "cancel", "because": otherwise.message})
    except (BusUnavailable, LimitReached) as error:
        log.warning("run %s is stopped without a word to its bridge: %s", uid, error)
    await context.sandbox.stop(pod, grace=context.settings.stop_grace)
    result = (await context.journals.read(uid)).result
    if result is not None and result.get("status") == "success":
        return await after.end(context, run, from_result(result))
    # Before the status: where the disk is full, it may be full of this pod.
    if not after.to_come(run):
        await finished.remove_pods(context, run)
    return await after.end(context, run, otherwise)


def _gone(status: PodStatus) -> bool:
    """Nothing of the pod can hand over a result any more: its bridge has ended, or all of it."""
    if status.state in ("absent", "ended"):
        return True
    bridge = status.containers.get("bridge")
    return bridge is not None and bridge.state == "ended"


def _agent_ended(status: PodStatus) -> bool:
    agent = status.containers.get("agent")
    return agent is not None and agent.state == "ended"


async def _lost_a_server(context: RunContext, run: Object, status: PodStatus, max_attempts: int) -> bool:
    """A sidecar has ended before the run has: calls to it would wait for their deadlines. One that never says what it serves, however
    often it is started, is missing from the offer of the last attempt, and that goes on without."""
    ended = [name for name, container in status.containers.items() if name.startswith("skill-") and container.state == "ended"]
    if not ended:
        return False
    attempt = int(status_of(run)["attempt"])
    if int(status_of(run).get("failures") or 0) + 1 < max_attempts:
        return True
    started = (await context.journals.read(run["metadata"]["uid"])).started.get(attempt)
    return started is not None and any(name.removeprefix("skill-") in started["servers"] for name in ended)


async def _after_loss(context: RunContext, run: Object, status: PodStatus) -> Result | None:
    """No failure of the run's, so its next attempt is free; but a pod that is taken away again and again may be what costs its node too much."""
    if not status.message:
        return await attempts.next_attempt(context, run, "its pod ended with the server that ran it")
    losses = int(status_of(run).get("losses") or 0) + 1
    if losses >= MAX_LOSSES:
        return await after.end(context, run, taken_away(status, losses))
    run = await write_status(context.cluster, run, {"losses": losses})
    return await attempts.next_attempt(context, run, status.message)


async def _after(context: RunContext, run: Object, status: PodStatus, plan: RunPlan) -> Result | None:
    """What `status` shows cannot come to a result any more: ends what is left, and goes on in a new pod while attempts last."""
    pod = str(status_of(run)["pod"])
    await context.revoke(pod)
    await context.sandbox.stop(pod, grace=0)
    # The bridge may have appended its result between our look at the journal and our look at the pod.
    record = await context.journals.read(run["metadata"]["uid"])
    if record.result is not None:
        return await after.end(context, run, _told(context, run, plan, record, from_result(record.result)))
    if status.lost:
        return await _after_loss(context, run, status)
    failures = int(status_of(run).get("failures") or 0) + 1
    outcome = from_pod(status, failures)
    if record.exceeded:  # another pod would get no answer either
        return await after.end(context, run, out_of_budget(outcome, record.exceeded))
    worst = status.worst()
    if failures >= plan.limits.max_attempts or (worst is not None and worst.out_of_memory):
        return await after.end(context, run, outcome)
    run = await write_status(context.cluster, run, {"failures": failures})
    return await attempts.next_attempt(context, run, outcome.message)
