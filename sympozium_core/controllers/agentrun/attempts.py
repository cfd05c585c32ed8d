"""One pod per attempt. Its id is written into the status before the pod exists, so that a crash in between finds it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.clock import rfc3339
from sympozium_core.contracts.cluster import Conflict, NotFound, Object
from sympozium_core.contracts.sandbox import NoRoom
from sympozium_core.controllers.agentrun import hooks, identity, pod_ready, workspace_claims
from sympozium_core.controllers.agentrun.context import INDEX_UID, RunContext
from sympozium_core.controllers.agentrun.hook_record import PRE, planned
from sympozium_core.controllers.agentrun.status import is_current_pod, status_of, write_status
from sympozium_core.errors import Permanent
from sympozium_core.names import Phase
from sympozium_core.reconcile.controller import Result
from sympozium_core.reconcile.together import together

AGAIN = 5.0
"""Seconds after which a pod that found no room is asked for again, where its runtime does not say."""


def pod_id(run: Mapping[str, Any], attempt: int) -> str:
    """A DNS label, never used twice: UIDs are not, and attempts only grow."""
    return f"run-{run['metadata']['uid']}-{attempt}"


def pods_of(run: Mapping[str, Any]) -> list[str]:
    """Ids of the pods of hooks and of all attempts, in the order in which they run."""
    return [str(pod) for pod in status_of(run).get("pods") or []]


def of_current_pod(context: RunContext, uid: str, pod: object) -> Mapping[str, Any]:
    """The running run whose current pod asks. Raises Permanent for every other pod."""
    run = next(iter(context.runs.cache.by_index(INDEX_UID, uid)), None)
    if run is None or not is_current_pod(run, pod):
        raise Permanent("this pod is not the one of the run's current attempt", reason="Fenced")
    return run


async def claim(context: RunContext, run: Object, stamp: Mapping[str, Any]) -> Object | None:
    """Takes a place for the run: from this write on it counts as one that runs. None when the run changed under us.

    `stamp` is what else of its status is to be written. The pod is a warm one where one of the run's plan waits; writing its id is what assigns it.
    """
    now = context.clock.now()
    uid = run["metadata"]["uid"]
    plan = await context.plans.load(uid)
    around = planned(uid, plan)
    first = [entry["pod"] for entry in around if entry["phase"] == PRE]
    # A warm pod has a workspace already, and one that is kept warm after a run with hooks would serve nobody.
    pod = (None if around else context.warm.take(plan.pod)) or pod_id(run, 1)
    try:
        return await write_status(
            context.cluster,
            run,
            {
                **stamp,
                "phase": Phase.PENDING,
                "attempt": 0 if first else 1,  # none before the agent has its turn
                "pod": pod,
                "pods": [*first, pod],
                "hooks": around or None,
                "startedAt": rfc3339(now),
                "startedAtSeconds": now,
                "queuePosition": None,
            },
        )
    except (Conflict, NotFound):
        await context.sandbox.remove(pod)  # a warm one would wait for ever: nothing else knows it any more
        return None


async def start(context: RunContext, run: Object) -> Result | None:
    """Starts the pod of the current attempt; idempotent. Raises Temporary to be called again, Permanent for a run of another sandbox."""
    status = status_of(run)
    uid, attempt, pod = run["metadata"]["uid"], int(status["attempt"]), str(status["pod"])
    plan = await context.plans.load(uid)
    if plan.sandbox != context.sandbox_name:
        raise Permanent(
            f"the run was planned for sandbox {plan.sandbox!r}, and this server runs {context.sandbox_name!r}",
            hint=f"start the server with --sandbox {plan.sandbox}, or create the run again",
        )
    await hooks.settle(context, run)
    if context.network is not None:
        await context.network.ensure(plan.pod)
    if context.code is not None:
        await context.code.ensure(run, plan.pod)
    await identity.ensure(context, run, plan)
    announced = context.journals.say(uid, {"type": "attempt", "attempt": attempt, "pod": pod})
    # The new bridge is believed by what the cache says.
    await together((announced, context.runs.wait_until(run["metadata"]["resourceVersion"])))
    earlier = [other for other in pods_of(run) if other != pod]
    try:
        await workspace_claims.ensure(context, run)
        await context.sandbox.start(pod, plan.pod, workspace_of=earlier[-1] if earlier else "")
    except NoRoom as refusal:
        await pod_ready.refused(context, run, refusal)
        return Result(requeue_after=refusal.after or AGAIN)
    context.normal(run, "Started", f"attempt {attempt} in pod {pod}")
    return Result(requeue_after=plan.limits.timeout + context.settings.deadline_grace)


async def next_attempt(context: RunContext, run: Object, why: str) -> Result | None:
    """The pod is gone without a result: a new one goes on from the journal. The old one is fenced and removed first."""
    status = status_of(run)
    old = str(status["pod"])
    await context.revoke(old)
    await context.sandbox.stop(old, grace=0)
    attempt = int(status["attempt"]) + 1
    pod = pod_id(run, attempt)
    changes = {"attempt": attempt, "pod": pod, "pods": [*pods_of(run), pod], "podName": None}
    run = await write_status(context.cluster, run, changes)
    context.warning(run, "Restarted", f"attempt {attempt}: {why}")
    try:
        result = await start(context, run)
    finally:
        await context.sandbox.remove(old, keep_workspace=True)
    return result


def deadline_of(run: Mapping[str, Any], timeout: float) -> float:
    """Seconds since the epoch at which the run must have ended, all its attempts together."""
    started = status_of(run).get("startedAtSeconds")
    if not isinstance(started, int | float):
        raise Permanent(
            "status.startedAtSeconds is missing on a running run", hint="only the controller may write a run's status"
        )
    return float(started) + timeout
