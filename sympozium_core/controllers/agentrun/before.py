"""Before the agent: its run's preRun hooks, one after another. One that fails ends the run, one that says so ends it as skipped; neither asks a model."""

from __future__ import annotations

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import after, attempts, finished, hooks
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.hook_record import (
    PRE,
    PRE_RUN,
    SKIPPED,
    Entry,
    HookEnd,
    before_agent,
    current,
    failed,
    skipped,
)
from sympozium_core.controllers.agentrun.outcome import Outcome, cancelled
from sympozium_core.controllers.agentrun.status import conditions
from sympozium_core.names import Phase, Reason
from sympozium_core.reconcile.controller import Result


async def start(context: RunContext, run: Object) -> Result | None:
    """Of a run that has got its place."""
    return await tend(context, run) if before_agent(run) else await attempts.start(context, run)


async def tend(context: RunContext, run: Object) -> Result | None:
    plan = await context.plans.load(run["metadata"]["uid"])
    while (entry := current(run, PRE)) is not None and failed(run, PRE) is None and not skipped(run):
        if run["spec"].get("cancel"):
            run = await hooks.stop(context, run, entry)
            return await finished.end(context, run, cancelled("cancelled on request"))
        run, step = await hooks.advance(context, run, plan, entry, {})
        if isinstance(step, Result):
            return step
        run = await _record(context, run, entry, step)
    if why := skipped(run):
        return await finished.end(context, run, Outcome(Phase.SUCCEEDED, Reason.COMPLETED, why))
    if (broken := failed(run, PRE)) is not None:
        outcome = Outcome(Phase.FAILED, Reason(broken["reason"]), f"{hooks.titled(broken)} {broken['message']}")
        return await after.end(context, run, outcome)
    now = context.clock.now()
    done = conditions(run, PRE_RUN, True, "Completed", "", context.clock)
    # From here on the agent's time counts.
    run = await hooks.write(context, run, {"attempt": 1, "startedAtSeconds": now, "conditions": done})
    return await attempts.start(context, run)


async def _record(context: RunContext, run: Object, entry: Entry, end: HookEnd) -> Object:
    """What follows from the end of the hook is in the same write: nobody sees the one without the other."""
    if end.failure:
        told = conditions(run, PRE_RUN, False, end.failure, f"hook {entry['name']!r} {end.message}", context.clock)
    elif end.said:
        message = f"skipped by {hooks.titled(entry)}: {end.said}"
        told = conditions(run, SKIPPED, True, "Hook", message, context.clock)
    else:
        return await hooks.record(context, run, entry, end)
    return await hooks.record(context, run, entry, end, {"conditions": told})
