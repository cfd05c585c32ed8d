"""After the agent: its outcome stands in ``status.outcome``, and is told when the postRun hooks have ended. None of them can change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.cluster import Object
from sympozium_core.controllers.agentrun import attempts, finished, hooks, identity, waiting
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.hook_record import (
    POST,
    POST_RUN,
    POST_RUN_FAILED,
    PRE,
    HookState,
    before_agent,
    current,
    failed,
    hooks_of,
    state_of,
)
from sympozium_core.controllers.agentrun.outcome import Outcome, from_result
from sympozium_core.controllers.agentrun.status import conditions, status_of
from sympozium_core.names import Phase, Reason
from sympozium_core.reconcile.controller import Result

RESULT_BYTES = 32 * 1024
"""Of the answer that a hook sees."""


def to_come(run: Mapping[str, Any]) -> bool:
    """Whether postRun hooks run when the run ends now. Whoever cancels a run wants nothing of it to begin."""
    return not run["spec"].get("cancel") and current(run, POST) is not None


def under_way(run: Mapping[str, Any]) -> bool:
    return status_of(run).get("outcome") is not None


async def end(context: RunContext, run: Object, outcome: Outcome) -> Result | None:
    """The end of a run that has a place: by way of its postRun hooks, where it has some."""
    if not to_come(run):
        return await finished.end(context, run, outcome)
    answered = outcome.phase is Phase.SUCCEEDED or bool(outcome.response)
    kept = {
        "phase": outcome.phase,
        "reason": outcome.reason,
        "message": outcome.message,
        "answered": answered,
        "atSeconds": context.clock.now(),
    }
    pods = [*_started(run), *(str(entry["pod"]) for entry in hooks_of(run, POST))]
    told = status_of(waiting.over(run, context.clock)).get("conditions")
    run = await hooks.write(context, run, {"phase": Phase.RUNNING, "outcome": kept, "pods": pods, "conditions": told})
    return await tend(context, run)


async def tend(context: RunContext, run: Object) -> Result | None:
    plan = await context.plans.load(run["metadata"]["uid"])
    outcome = await outcome_of(context, run)
    await _end_agent(context, run)
    while (entry := current(run, POST)) is not None:
        if run["spec"].get("cancel"):
            run = await hooks.stop(context, run, entry)
            break
        run, step = await hooks.advance(context, run, plan, entry, environment(outcome))
        if isinstance(step, Result):
            return step
        run = await hooks.record(context, run, entry, step)
    return await finished.end(context, _told(context, run), outcome)


async def outcome_of(context: RunContext, run: Mapping[str, Any]) -> Outcome:
    """The agent's, of a run whose postRun hooks are under way: as it was decided, with the answer that is on record."""
    kept = status_of(run)["outcome"]
    result = (await context.journals.read(run["metadata"]["uid"])).result
    decided = Outcome(Phase(kept["phase"]), Reason(kept["reason"]), str(kept.get("message") or ""))
    if result is None or not kept.get("answered"):
        return decided
    return replace(from_result(result), phase=decided.phase, reason=decided.reason, message=decided.message)


def environment(outcome: Outcome) -> Mapping[str, str]:
    """What a postRun hook is told of the agent. Its answer is whatever the agent, or who speaks through it, has written: never to be executed."""
    answer = outcome.response.replace("\0", "").encode()[:RESULT_BYTES].decode(errors="ignore")
    return {
        "AGENT_PHASE": outcome.phase,
        "AGENT_REASON": outcome.reason,
        "AGENT_EXIT_CODE": "0" if outcome.phase is Phase.SUCCEEDED else "1",
        "AGENT_RESULT": answer,
    }


async def _end_agent(context: RunContext, run: Object) -> None:
    """Before the first hook: nothing of the agent's has rights or writes into the workspace any more. The agent's own end is waited for."""
    first = hooks_of(run, POST)[0]
    if state_of(first) is not HookState.WAITING:
        return
    await identity.revoke(context, run)
    if _agent_has_run(run):
        pod = str(status_of(run)["pod"])
        await context.sandbox.stop(pod, grace=context.settings.stop_grace)
        await context.revoke(pod)
    await hooks.settle(context, run)


def _agent_has_run(run: Mapping[str, Any]) -> bool:
    return not before_agent(run)


def _started(run: Mapping[str, Any]) -> list[str]:
    """The pods that there were, oldest first: the workspace is with the last of them."""
    never = {str(entry["pod"]) for entry in hooks_of(run, PRE) if state_of(entry) in (HookState.WAITING, HookState.SKIPPED)}
    if not _agent_has_run(run):
        never.add(str(status_of(run)["pod"]))
    never |= {str(entry["pod"]) for entry in hooks_of(run, POST)}
    return [pod for pod in attempts.pods_of(run) if pod not in never]


def _told(context: RunContext, run: Object) -> Object:
    """The run with what is to be said of its hooks, for the write that ends it."""
    broken = failed(run, POST)
    told = conditions(run, POST_RUN, True, "Completed" if broken is None else "Failed", "", context.clock)
    run = {**run, "status": {**status_of(run), "conditions": told}}
    if broken is None:
        return run
    message = f"hook {broken['name']!r} {broken['message']}"
    told = conditions(run, POST_RUN_FAILED, True, broken["reason"], message, context.clock)
    return {**run, "status": {**status_of(run), "conditions": told}}
