"""Deleted: the object goes only after its pod, its journal and its artifacts have gone."""

from __future__ import annotations

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import attempts, identity, workspace_claims
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.status import Stage, phase_of, stage_of, status_of
from sympozium_core.names import FINALIZER_RUN, Phase, Reason
from sympozium_core.reconcile.controller import Result
from sympozium_core.reconcile.finalizers import remove_finalizer
from sympozium_core.resources.kinds import AGENT_RUN

DELETED = "the run was deleted"


async def remove(context: RunContext, run: Object) -> Result | None:
    """Idempotent; the finalizer is the last to go."""
    uid = run["metadata"]["uid"]
    if not status_of(run).get("cleaned"):
        await identity.revoke(context, run)
        await identity.revoke_hooks(context, run)
    if stage_of(run) is Stage.PLACED:
        await context.journals.say(uid, {"type": "cancel", "because": DELETED})
        await context.sandbox.stop(str(status_of(run)["pod"]), grace=context.settings.stop_grace)
    phase = phase_of(run)
    if phase is None or not phase.terminal:
        # For whoever follows the journal: it is gone a moment later.
        ended = {"type": "ended", "phase": Phase.CANCELLED, "reason": Reason.CANCELLED, "message": DELETED}
        await context.journals.say(uid, ended)
    for pod in attempts.pods_of(run):
        await context.revoke(pod)
        await context.sandbox.remove(pod)
    await workspace_claims.remove(context, run)
    await context.journals.forget(uid)
    await context.plans.forget(uid)
    await remove_finalizer(context.cluster, AGENT_RUN, run, FINALIZER_RUN)
    return None
