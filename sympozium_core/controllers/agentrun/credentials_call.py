"""Answers `.req.credentials`: Kubernetes tokens for the sidecars of a run's current pod, each for the container that it belongs to.

A token lives no longer than its run: it is bound to the run's Secret. It is in this answer and nowhere else: not in the journal, not in a log.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from sympozium_core.bus import subjects
from sympozium_core.bus.serving import CallRequest, Server, serve
from sympozium_core.clock import parse_rfc3339
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, SECRET, SERVICE_ACCOUNT
from sympozium_core.contracts.cluster import ApiError, Invalid, NotFound, Object, ResourceType
from sympozium_core.contracts.plan import Identity, RunPlan
from sympozium_core.controllers.agentrun import attempts
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.rights import secret_name
from sympozium_core.controllers.agentrun.start_call import QUEUE
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.planning.identities import account_name
from sympozium_core.planning.sidecars import container_name

SHORTEST = 600
"""Seconds: no API server gives less."""
LONGEST = 24 * 3600
"""Seconds that are asked for at most; the bridge asks again in time."""
ROOT_CA = "kube-root-ca.crt"
"""The ConfigMap in every namespace by which pods know the API server."""


class CreateSubresource(Protocol):
    """`cluster.client.ClusterClient.create_subresource`."""

    async def __call__(
        self, kind: ResourceType, namespace: str | None, name: str, subresource: str, body: Object
    ) -> Object: ...


async def serve_credentials(context: RunContext, create: CreateSubresource) -> Server:
    async def handle(request: CallRequest) -> AsyncIterator[bytes]:
        yield json.dumps(await _answer(context, create, request)).encode()

    return await serve(context.bus, subjects.request("*", subjects.CREDENTIALS), handle, queue=QUEUE)


async def _answer(context: RunContext, create: CreateSubresource, request: CallRequest) -> Mapping[str, Any]:
    """``{container: {"token", "expires", "namespace", "ca"}}``, `expires` in epoch seconds."""
    uid = subjects.uid_of(request.subject)
    asked = json.loads(request.data)
    run = attempts.of_current_pod(context, uid, asked.get("pod") if isinstance(asked, dict) else None)
    plan = await context.plans.load(uid)
    if not plan.identities:
        return {}
    left = attempts.deadline_of(run, plan.limits.timeout) + context.settings.deadline_grace - context.clock.now()
    seconds = min(max(math.ceil(left), SHORTEST), LONGEST)
    try:
        ca = (await context.cluster.get(CONFIG_MAP, plan.namespace, ROOT_CA))["data"]["ca.crt"]
        secret = await context.cluster.get(SECRET, plan.namespace, secret_name(uid))
        tokens = await asyncio.gather(*(_token(create, plan, identity, secret, seconds) for identity in plan.identities))
    except (NotFound, Invalid) as error:
        raise Permanent(f"the run's identities are not there: {error.message}", reason="Fenced") from error
    except ApiError as error:
        raise Temporary(f"the API server gives no tokens now: {error.message}") from error
    return {
        container_name(identity.skill): {**token, "namespace": _home(plan, identity), "ca": ca}
        for identity, token in zip(plan.identities, tokens, strict=True)
    }


async def _token(
    create: CreateSubresource, plan: RunPlan, identity: Identity, secret: Object, seconds: int
) -> dict[str, str | float]:
    bound = {"apiVersion": "v1", "kind": "Secret", "name": secret["metadata"]["name"], "uid": secret["metadata"]["uid"]}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": bound, "expirationSeconds": seconds},
    }
    made = await create(SERVICE_ACCOUNT, plan.namespace, account_name(plan.uid, identity.skill), "token", body)
    return {"token": made["status"]["token"], "expires": parse_rfc3339(made["status"]["expirationTimestamp"])}


def _home(plan: RunPlan, identity: Identity) -> str:
    """The namespace in which the sidecar's clients look where they are not told."""
    return plan.namespace if not identity.namespaces or plan.namespace in identity.namespaces else identity.namespaces[0]
