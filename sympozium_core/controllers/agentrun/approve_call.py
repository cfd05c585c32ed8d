"""Answers `.req.approve`: makes the ToolApproval of a call, and tells the bridge what came of it. Asked again, it finds the one that is there."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.serving import CallRequest, Server, ServerLimits, serve
from sympozium_core.clock import rfc3339
from sympozium_core.contracts.approvals import MAX_ARGUMENTS, Decision, approval_name, question_digest
from sympozium_core.contracts.cluster import AlreadyExists, ApiError, BadRequest, Invalid, NotFound, Object, TooLarge
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.controllers.agentrun import attempts
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.start_call import QUEUE
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.names import LABEL_INSTANCE, LABEL_RUN, LABEL_RUN_UID
from sympozium_core.planning.factory import label_value
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources.kinds import AGENT_RUN, TOOL_APPROVAL

LIMITS = ServerLimits(calls=8192, request_bytes=2 * MAX_ARGUMENTS + 16 * 1024)
"""A call lasts as long as a person takes; there are as many as runs that wait."""


async def serve_approve(context: RunContext) -> Server:
    async def handle(request: CallRequest) -> AsyncIterator[bytes]:
        yield json.dumps((await _answer(context, request)).to_json(), ensure_ascii=False).encode()

    return await serve(context.bus, subjects.request("*", subjects.APPROVE), handle, queue=QUEUE, limits=LIMITS)


async def _answer(context: RunContext, request: CallRequest) -> Decision:
    uid = subjects.uid_of(request.subject)
    asked = json.loads(request.data)
    if not isinstance(asked, dict) or not isinstance(asked.get("call"), str):
        raise Permanent("a question about an approval names its call")
    run = attempts.of_current_pod(context, uid, asked.get("pod"))
    plan = await context.plans.load(uid)
    key = Key(plan.namespace, approval_name(plan.name, uid, asked["call"]))
    try:
        if asked.get("withdrawn"):
            await context.approvals.withdraw(key, uid)
            return Decision("withdrawn", False)
        approval = await _made(context, run, plan, key, asked)
    except (Invalid, BadRequest, TooLarge) as error:
        raise Permanent(f"its arguments are nothing that a person could be shown: {error.message}") from error
    except (AlreadyExists, NotFound) as error:
        raise Temporary("the approval was deleted while it was looked at", after=0.1) from error
    except ApiError as error:
        raise Temporary(f"the approval cannot be made now: {error.message}", after=1.0) from error
    return await context.approvals.decision(approval)


async def _made(context: RunContext, run: Mapping[str, Any], plan: RunPlan, key: Key, asked: Mapping[str, Any]) -> Object:
    """The approval of the call. Raises Permanent where another question was asked under its id: a decision is about what was shown."""
    wanted = _approval(context, run, plan, key, asked)
    try:
        found = await context.cluster.create(TOOL_APPROVAL, wanted)
    except AlreadyExists:
        found = await context.cluster.get(TOOL_APPROVAL, key.namespace, key.name)
    if any(found["spec"].get(field) != wanted["spec"][field] for field in ("runUID", "call", "question")):
        raise Permanent("an approval was asked for under this id already, for another call", hint="use an id once")
    return found


def _approval(context: RunContext, run: Mapping[str, Any], plan: RunPlan, key: Key, asked: Mapping[str, Any]) -> Object:
    rules = plan.approvals
    tool, server, arguments = asked.get("tool"), asked.get("server"), asked.get("arguments")
    if not isinstance(tool, str) or not isinstance(server, str) or not isinstance(arguments, dict):
        raise Permanent("a question about an approval has tool, server and arguments")
    end = min(context.clock.now() + rules.timeout, attempts.deadline_of(run, plan.limits.timeout))
    instance = (run["metadata"].get("labels") or {}).get(LABEL_INSTANCE) or label_value(plan.instance)
    return {
        "apiVersion": TOOL_APPROVAL.api_version,
        "kind": TOOL_APPROVAL.kind,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {LABEL_RUN: label_value(plan.name), LABEL_RUN_UID: plan.uid, LABEL_INSTANCE: instance},
            "ownerReferences": [owner_reference(AGENT_RUN, run)],
        },
        "spec": {
            "runRef": plan.name,
            "runUID": plan.uid,
            "call": asked["call"],
            "tool": tool,
            "server": server,
            "arguments": arguments,
            "question": question_digest(tool, server, arguments),
            "because": str(asked.get("because") or ""),
            "requestedBy": run["spec"].get("requestedBy"),
            "selfApproval": context.single_user if rules.allow_self is None else rules.allow_self,
            "expiresAt": rfc3339(math.ceil(end)),
            "timeoutAction": rules.on_timeout,
        },
    }
