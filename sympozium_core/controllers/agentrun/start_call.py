"""Answers `.req.start`: what the bridge of a run's current pod needs to know."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.serving import CallRequest, Server, serve
from sympozium_core.contracts.plan import to_json
from sympozium_core.controllers.agentrun import attempts, tightening
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.status import status_of

QUEUE = "controller"


async def serve_start(context: RunContext) -> Server:
    async def handle(request: CallRequest) -> AsyncIterator[bytes]:
        yield json.dumps(await _answer(context, request), ensure_ascii=False).encode()

    return await serve(context.bus, subjects.request("*", subjects.START), handle, queue=QUEUE)


async def _answer(context: RunContext, request: CallRequest) -> Mapping[str, Any]:
    uid = subjects.uid_of(request.subject)
    asked = json.loads(request.data)
    pod = asked.get("pod") if isinstance(asked, dict) else None
    run = attempts.of_current_pod(context, uid, pod)
    attempt = int(status_of(run)["attempt"])
    plan = await tightening.plan_of(context, uid)
    kept = context.sandbox.keeps_workspace or bool(plan.pod.workspace_claim)
    newest = await context.bus.last(subjects.journal(uid, subjects.POD))
    return {
        "plan": to_json(replace(plan, hooks=(), hook_identity=None)),  # what its user gives a hook is no concern of this pod
        "attempt": attempt,
        "deadline": attempts.deadline_of(run, plan.limits.timeout),
        "lastPod": newest.sequence if newest is not None else 0,
        "workspace": "new" if attempt == 1 else "kept" if kept else "lost",
    }
