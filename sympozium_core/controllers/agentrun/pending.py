"""Pending: decide and plan. The plan is durable before anything of the run starts, and so is the policy's stamp: it is written together with the
run's place, or with its place in the queue, because each write of a status costs the API server more than all that is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core.contracts.cluster import ApiError, Object
from sympozium_core.contracts.network import network_digest
from sympozium_core.contracts.plan import RunPlan, digest, to_json
from sympozium_core.controllers.agentrun import finished, queued
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.outcome import Outcome, cancelled
from sympozium_core.controllers.agentrun.status import conditions, status_of, write_status
from sympozium_core.errors import Permanent, Refused, Temporary
from sympozium_core.names import Phase, Reason
from sympozium_core.planning.inputs import RunInputs
from sympozium_core.planning.plan import make_plan
from sympozium_core.planning.review import review_run
from sympozium_core.reconcile.controller import Result


async def plan(context: RunContext, run: Object) -> Result | None:
    if run["spec"].get("cancel"):
        return await finished.end(context, run, cancelled("cancelled before it was planned"))
    stamp: Mapping[str, Any] = {}
    if not status_of(run).get("planDigest"):
        try:
            inputs = await context.gather(run)
            made = _decide(context, run, inputs)
        except Permanent as error:
            reason = next((reason for reason in Reason if reason == error.reason), Reason.INFRASTRUCTURE_ERROR)
            return await finished.end(context, run, Outcome(Phase.FAILED, reason, error.message))
        except (Temporary, ApiError):
            await write_status(context.cluster, run, {"phase": Phase.PENDING})
            raise
        await context.plans.keep(made)
        planned = conditions(
            run, "Planned", True, "Planned", f"policy {inputs.policy.name}, sandbox {made.sandbox}", context.clock
        )
        stamp = {**_stamp(context, inputs, made), "conditions": planned}
        _tell(context, run, inputs, made)
    return await queued.wait(context, run, stamp)


def _decide(context: RunContext, run: Object, inputs: RunInputs) -> RunPlan:
    """The same review as at admission, on what is true now; then the plan. Raises Refused."""
    instance = inputs.instance
    causes = review_run(run, instance, inputs.policy, inputs.sandbox) + context.review_by_hooks(run, instance)
    if causes:
        raise Refused(causes)
    return context.patch_plan(run, make_plan(inputs))


def _stamp(context: RunContext, inputs: RunInputs, made: RunPlan) -> Mapping[str, Any]:
    """What holds from here on, whatever becomes of the resources. `network`, `identities` and their like say what has to go with the run."""
    tools = to_json(made.tools)
    return {
        "effectivePolicy": {
            "name": inputs.policy.name,
            "namespace": inputs.policy.namespace or None,
            "template": inputs.policy.template,
            "mandatory": [part.name for part in inputs.policy.parts[1:]] or None,
            "maxConcurrent": inputs.policy.max_concurrent,
            "digest": digest(tools),
            "tools": tools,
        },
        "planDigest": digest(to_json(made)),
        "sandbox": made.sandbox,
        "harness": made.harness,
        "network": network_digest(made.pod) if context.network is not None else None,
        "hookNetwork": network_digest(made.hooks[0].pod) if made.hooks and context.network is not None else None,
        "hookRights": True if made.hook_identity is not None else None,
        "workspaceClaim": made.pod.workspace_claim or None,
        "identities": [identity.skill for identity in made.identities] or None,
    }


def _tell(context: RunContext, run: Object, inputs: RunInputs, made: RunPlan) -> None:
    asked = (run["spec"].get("requestedBy") or {}).get("username") or "an unknown user"
    model, servers = made.model, ", ".join(server.name for server in made.servers) or "no tool server"
    decided = f"policy {inputs.policy.name}, sandbox {made.sandbox}, harness {made.harness}, model {model.provider}/{model.model}, {servers}"
    context.normal(run, "Planned", f"admitted for {asked}: {decided}")
    for note in made.notes:
        context.warning(run, "NotProvided", note)
