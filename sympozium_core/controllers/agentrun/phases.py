"""The table: which function looks after a run in which phase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import deleted, finished, pending, queued, running
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.outcome import Outcome
from sympozium_core.controllers.agentrun.status import phase_of
from sympozium_core.errors import Permanent
from sympozium_core.names import FINALIZER_RUN, Phase, Reason
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import DONE, Result
from sympozium_core.reconcile.finalizers import add_finalizer
from sympozium_core.reconcile.key import Key
from sympozium_core.resources import load
from sympozium_core.resources.kinds import AGENT_RUN

Step = Callable[[RunContext, Object], Awaitable[Result | None]]

PHASES: Mapping[Phase | None, Step] = {
    None: pending.begin,
    Phase.PENDING: pending.plan,
    Phase.QUEUED: queued.wait,
    Phase.RUNNING: running.tend,
    Phase.SUCCEEDED: finished.clean,
    Phase.FAILED: finished.clean,
    Phase.CANCELLED: finished.clean,
}


async def reconcile(context: RunContext, key: Key) -> Result:
    """Brings one run one step on; what it does depends on the objects alone, so it may be called at any time, any number of times."""
    found = context.runs.cache.get(key)
    if found is None:
        return DONE
    run = load.normalise(found)
    if run["metadata"].get("deletionTimestamp"):
        return await deleted.remove(context, run) or DONE
    phase = phase_of(run)
    if phase is None or not phase.terminal:
        if not context.is_ours(run) and not run["spec"].get("cancel"):
            return DONE
        run = await add_finalizer(context.cluster, AGENT_RUN, run, FINALIZER_RUN) or run
    return await PHASES[phase](context, run) or DONE


async def give_up(context: RunContext, found: View, error: Permanent) -> None:
    """A run whose reconcile can never succeed ends typed, instead of standing still."""
    phase = phase_of(found)
    if found["metadata"].get("deletionTimestamp") or (phase is not None and phase.terminal):
        return
    reason = next((reason for reason in Reason if reason == error.reason), Reason.INFRASTRUCTURE_ERROR)
    await finished.end(context, dict(found), Outcome(Phase.FAILED, reason, str(error)))
