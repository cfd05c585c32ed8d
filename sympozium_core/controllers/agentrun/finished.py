"""The end: the outcome into the status, then nothing left of the pod, then of old runs."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from sympozium_core.clock import rfc3339
from sympozium_core.contracts.cluster import ApiError, NotFound, Object
from sympozium_core.controllers.agentrun import attempts, identity, waiting, workspace_claims
from sympozium_core.controllers.agentrun.context import INDEX_INSTANCE, RunContext, instance_key
from sympozium_core.controllers.agentrun.hook_record import closed
from sympozium_core.controllers.agentrun.outcome import Outcome
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.names import Phase
from sympozium_core.reconcile.controller import Result
from sympozium_core.resources.kinds import AGENT_RUN

log = logging.getLogger(__name__)


async def end(context: RunContext, run: Object, outcome: Outcome) -> Result | None:
    """Writes the terminal phase; safe to repeat, the first end stands. What is to be cleaned comes behind all runs that wait to be looked at: of
    many that end at once, each user is told first. Rights are gone before that: who sees the end knows that nobody has them any more."""
    uid = run["metadata"]["uid"]
    try:
        await identity.revoke(context, run)
        await identity.revoke_hooks(context, run)
    except ApiError as error:
        log.warning("the rights of run %s outlive its end a little: %s", uid, error)
    now = context.clock.now()
    usage = {**(await context.journals.read(uid)).usage, "durationMs": 0}
    started = status_of(run).get("startedAtSeconds")
    if isinstance(started, int | float):
        ended = (status_of(run).get("outcome") or {}).get("atSeconds") or now
        usage["durationMs"] = int((ended - started) * 1000)
    run = await write_status(
        context.cluster,
        run,
        {
            "phase": outcome.phase,
            "reason": outcome.reason,
            "message": outcome.message or None,
            "error": (outcome.message or None) if outcome.phase is not Phase.SUCCEEDED else None,
            "result": outcome.response or None,
            "resultArtifact": outcome.artifact or None,
            "resultSize": outcome.size or None,
            "completedAt": rfc3339(now),
            "tokenUsage": usage,
            "queuePosition": None,
            "outcome": None,
            "hooks": closed(run, now),
            "conditions": conditions(
                waiting.over(run, context.clock),
                "Complete",
                outcome.phase is Phase.SUCCEEDED,
                outcome.reason,
                outcome.message[:1000],
                context.clock,
            ),
        },
    )
    if outcome.phase is Phase.SUCCEEDED:
        context.normal(run, outcome.reason, outcome.message or f"finished in {usage.get('durationMs', 0) / 1000:.1f} s")
    else:
        context.warning(run, outcome.reason, outcome.message)
    await context.runs.wait_until(run["metadata"]["resourceVersion"])  # which has the run looked at again, to be cleaned
    return None


async def clean(context: RunContext, run: Object) -> Result | None:
    """Takes the run's rights away, says the end on the journal and removes the pod of every attempt, but for the last where the user keeps it
    for a look (``spec.cleanup: keep``). Idempotent, and complete when a crash came between the status and any of this."""
    status = status_of(run)
    if status.get("cleaned"):
        return None
    await identity.revoke(context, run)
    await identity.revoke_hooks(context, run)
    entry = {key: status.get(key) or "" for key in ("phase", "reason", "message")}
    await context.journals.say(run["metadata"]["uid"], {"type": "ended", **entry})
    pod = status.get("pod")
    if pod:
        context.orphans.pop(str(pod), None)
        await context.revoke(str(pod))
        if run["spec"].get("cleanup") == "keep":
            await context.sandbox.stop(str(pod), grace=context.settings.stop_grace)
        await remove_pods(context, run)
    await workspace_claims.remove(context, run)
    run = await write_status(context.cluster, run, {"cleaned": True})
    context.journals.let_go(run["metadata"]["uid"])
    await context.runs.wait_until(run["metadata"]["resourceVersion"])
    await _prune(context, run)
    return None


async def remove_pods(context: RunContext, run: Mapping[str, Any]) -> None:
    """Of every attempt and hook, but for the last where it is kept: the agent's, and a later hook's, which has the workspace."""
    pods = attempts.pods_of(run)
    kept = {status_of(run).get("pod"), *pods[-1:]} if run["spec"].get("cleanup") == "keep" else set()
    for pod in pods:
        if pod not in kept:
            await context.sandbox.remove(pod)


async def _prune(context: RunContext, run: Mapping[str, Any]) -> None:
    """Deletes the oldest finished runs of the same instance beyond the history limit."""
    from_instance = [
        other
        for other in context.runs.cache.by_index(INDEX_INSTANCE, instance_key(run))
        if status_of(other).get("cleaned") and not other["metadata"].get("deletionTimestamp")
    ]
    surplus = len(from_instance) - context.settings.max_run_history
    if surplus <= 0:
        return
    from_instance.sort(key=lambda other: str(status_of(other).get("completedAt") or ""))
    for old in from_instance[:surplus]:
        metadata = old["metadata"]
        with contextlib.suppress(NotFound):
            await context.cluster.delete(AGENT_RUN, metadata["namespace"], metadata["name"], uid=metadata["uid"])
