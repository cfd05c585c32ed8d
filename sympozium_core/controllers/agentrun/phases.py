"""Which function looks after a run, by how far it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import after, before, deleted, finished, pending, queued, running
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.hook_record import before_agent
from sympozium_core.controllers.agentrun.outcome import Outcome
from sympozium_core.controllers.agentrun.status import Stage, phase_of, stage_of, status_of
from sympozium_core.errors import Permanent
from sympozium_core.names import FINALIZER_RUN, Phase, Reason
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import DONE, Result
from sympozium_core.reconcile.finalizers import add_finalizer
from sympozium_core.reconcile.key import Key
from sympozium_core.resources import load
from sympozium_core.resources.kinds import AGENT_RUN

Step = Callable[[RunContext, Object], Awaitable[Result | None]]

BEFORE: Mapping[Phase | None, Step] = {None: pending.plan, Phase.PENDING: pending.plan, Phase.QUEUED: queued.wait}
"""Before it has a place."""


async def reconcile(context: RunContext, key: Key) -> Result:
    """Brings one run one step on; what it does depends on the objects alone, so it may be called at any time, any number of times."""
    found = context.runs.cache.get(key)
    if found is None:
        return DONE
    run = load.normalise(found)
    if run["metadata"].get("deletionTimestamp"):
        return await deleted.remove(context, run) or DONE
    stage = stage_of(run)
    if stage is not Stage.ENDED:
        if not context.is_ours(run) and not run["spec"].get("cancel"):
            return DONE
        run = await add_finalizer(context.cluster, AGENT_RUN, run, FINALIZER_RUN) or run
    match stage:
        case Stage.WAITING:
            step = BEFORE[phase_of(run)]
        case Stage.PLACED:
            step = after.tend if after.under_way(run) else before.tend if before_agent(run) else running.tend
        case Stage.ENDED:
            step = finished.clean
    return await step(context, run) or DONE


def concerns(old: View | None, new: View | None) -> bool:
    """Whether a change of a run is news here: what others write is, and of the status, which is written here, the end, behind which there is
    still to be cleaned."""
    if old is None or new is None:
        return True
    before, after = old["metadata"], new["metadata"]
    if any(before.get(field) != after.get(field) for field in ("generation", "deletionTimestamp", "finalizers")):
        return True
    return stage_of(new) is Stage.ENDED and stage_of(old) is not Stage.ENDED


def can_wait(run: View) -> bool:
    """Whether all that is left is to clean behind a run. Its rights do not wait, nor does whoever deletes it."""
    status, deleted = status_of(run), run["metadata"].get("deletionTimestamp")
    rights = status.get("identities") or status.get("hookRights")
    return stage_of(run) is Stage.ENDED and not deleted and not rights


async def give_up(context: RunContext, found: View, error: Permanent) -> None:
    """A run whose reconcile can never succeed ends typed, instead of standing still."""
    if found["metadata"].get("deletionTimestamp") or stage_of(found) is Stage.ENDED:
        return
    reason = next((reason for reason in Reason if reason == error.reason), Reason.INFRASTRUCTURE_ERROR)
    outcome = Outcome(Phase.FAILED, reason, str(error))
    await finished.end(context, dict(found), await after.outcome_of(context, found) if after.under_way(found) else outcome)
