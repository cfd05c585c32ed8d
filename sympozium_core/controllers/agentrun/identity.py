"""The rights of a run's skills and of its hooks: made before the pod that needs them, taken away behind it, and never left behind (`rights` says
what they are made of)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import SECRET, SERVICE_ACCOUNT
from sympozium_core.contracts.cluster import (
    AlreadyExists,
    ApiError,
    Cluster,
    Forbidden,
    Invalid,
    NotFound,
    Object,
    ResourceType,
    metadata,
)
from sympozium_core.contracts.plan import AccessRule, Identity, RunPlan
from sympozium_core.controllers.agentrun.context import RunContext
from sympozium_core.controllers.agentrun.rights import BINDINGS, ROLES, Made, objects, owner_secret, run_of, uid_of
from sympozium_core.controllers.agentrun.status import phase_of, status_of
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.reconcile.together import together
from sympozium_core.resources.kinds import AGENT_RUN

SWEEP_SECONDS = 300.0
REFUSED_AGAIN = 10.0
"""Seconds after which a refusal by the API server is tried again: an operator may have mended the controller's rights."""

log = logging.getLogger(__name__)


async def ensure(context: RunContext, run: Mapping[str, Any], plan: RunPlan) -> None:
    """Everything is there when this returns; idempotent, and nothing where no skill has rights.

    Raises Temporary where the API server refuses (the controller's own rights, a quota), Permanent for what it will never take.
    """
    if not plan.identities:
        return
    context.revoked.drop(plan.uid)
    with _refusals(context, run, "skills", "skillConfig.<skill>.namespaces may name only what exists"):
        secret = await _make(context.cluster, SECRET, owner_secret(run))
        owner = owner_reference(SECRET, secret, controller=False, block=False)
        made = [made for identity in plan.identities for made in objects(run, identity, owner)]
        await together(_make(context.cluster, kind, obj) for kind, obj in made)


async def ensure_hooks(context: RunContext, run: Mapping[str, Any], plan: RunPlan) -> None:
    """The same for the hooks, while one of them runs. The run itself owns what is made: its skills' Secret may be gone by then."""
    if plan.hook_identity is None:
        return
    with _refusals(context, run, "hooks", "its namespace is on its way out"):
        made = list(objects(run, plan.hook_identity, owner_reference(AGENT_RUN, run, controller=False, block=False)))
        await together(_make(context.cluster, kind, obj) for kind, obj in made)


@contextmanager
def _refusals(context: RunContext, run: Mapping[str, Any], whose: str, hint: str) -> Iterator[None]:
    """What the API server has against the rights, as `ensure` raises it."""
    try:
        yield
    except Forbidden as error:
        context.warning(run, "RightsRefused", f"the rights of the run's {whose} cannot be made: {error.message}")
        raise Temporary(error.message, after=REFUSED_AGAIN) from error
    except NotFound as error:
        raise Permanent(f"the rights of the run's {whose} cannot be made: {error.message}", hint=hint) from error
    except Invalid as error:
        raise Permanent(f"the API server does not take the rights of the run's {whose}: {error.message}") from error


async def revoke(context: RunContext, run: Mapping[str, Any]) -> None:
    """Takes the rights away: the bindings at once, then the Secret and with it tokens and accounts, then what nothing owns. Idempotent."""
    uid = str(run["metadata"]["uid"])
    if not status_of(run).get("identities") or context.revoked.get(uid):
        return
    secret = owner_secret(run)
    made = await _made_for(context, run, secret)
    await together(_gone(context.cluster, kind, obj) for kind, obj in made if kind in BINDINGS)
    await _gone(context.cluster, SECRET, secret)
    await together(_gone(context.cluster, kind, obj) for kind, obj in made if kind in ROLES and not _is_owned(run, obj))
    context.revoked.put(uid, True)


async def revoke_hooks(context: RunContext, run: Mapping[str, Any]) -> None:
    """Takes the hooks' rights away: the binding, then account and role. Idempotent, and nothing for a run whose hooks have none."""
    if not status_of(run).get("hookRights"):
        return
    some = Identity(
        "", (AccessRule((), (), ()),), (), (run["metadata"]["namespace"],)
    )  # which rights they are makes no difference
    made = list(objects(run, some, owner_reference(AGENT_RUN, run, controller=False, block=False)))
    await together(_gone(context.cluster, kind, obj) for kind, obj in made if kind in BINDINGS)
    await together(_gone(context.cluster, kind, obj) for kind, obj in made if kind in (*ROLES, SERVICE_ACCOUNT))


async def keep_swept(context: RunContext, every: float = SWEEP_SECONDS) -> None:
    """Until cancelled: removes what an interrupted end left, now and every few minutes."""
    while True:
        try:
            await sweep(context)
        except ApiError as error:
            log.warning("leftover rights were not looked for: %s", error)
        await asyncio.sleep(every)


async def sweep(context: RunContext) -> None:
    """Removes bindings and roles whose run is gone or over; asked of the cluster itself, as the cache may be behind."""
    found = await _labelled(context.cluster, names.LABEL_RUN_UID)
    over = {uid: await _is_over(context.cluster, uid, obj) for uid, obj in {uid_of(obj): obj for _, obj in found}.items()}
    left = [(kind, obj) for kind, obj in found if over[uid_of(obj)]]
    for kind, obj in left:
        log.info("removing %s %s, left over from a run", kind.kind, metadata(obj)["name"])
    for kinds in (BINDINGS, ROLES):
        await together(_gone(context.cluster, kind, obj) for kind, obj in left if kind in kinds)


async def _made_for(context: RunContext, run: Mapping[str, Any], secret: Object) -> list[Made]:
    """What `ensure` made of the plan, or what bears the run's label where the plan is gone already."""
    uid = str(run["metadata"]["uid"])
    try:
        plan = await context.plans.load(uid)
    except Permanent:
        return await _labelled(context.cluster, f"{names.LABEL_RUN_UID}={uid}")
    nobody = owner_reference(SECRET, {**secret, "metadata": {**metadata(secret), "uid": ""}}, controller=False, block=False)
    return [made for identity in plan.identities for made in objects(run, identity, nobody)]


def _is_owned(run: Mapping[str, Any], obj: Object) -> bool:
    """By the run's Secret, with which it goes."""
    return bool(metadata(obj).get("namespace") == run["metadata"]["namespace"])


async def _is_over(cluster: Cluster, uid: str, obj: Object) -> bool:
    namespace, name = run_of(obj) or ("", "")
    try:
        run = await cluster.get(AGENT_RUN, namespace, name)
    except NotFound:
        return True
    phase = phase_of(run)
    return run["metadata"]["uid"] != uid or (phase is not None and phase.terminal)


async def _labelled(cluster: Cluster, selector: str) -> list[Made]:
    """Those of all namespaces that were made here: a label alone is nothing that only the controller could write."""
    found: list[Made] = []
    for kind in (*BINDINGS, *ROLES):
        page = await cluster.list(kind, labels=selector)
        found += [(kind, obj) for obj in page.items if run_of(obj) is not None]
    return found


async def _make(cluster: Cluster, kind: ResourceType, obj: Object) -> Object:
    """The object, as it is there. Raises Permanent when one of that name is somebody else's."""
    try:
        return await cluster.create(kind, obj)
    except AlreadyExists:
        meta = metadata(obj)
        found = await cluster.get(kind, meta.get("namespace"), meta["name"])
        if uid_of(found) != uid_of(obj):
            raise Permanent(
                f"{kind.kind} {meta['name']!r} is there and not the run's", hint="delete it, and create the run again"
            ) from None
        return found


async def _gone(cluster: Cluster, kind: ResourceType, obj: Object) -> None:
    with suppress(NotFound):
        await cluster.delete(kind, metadata(obj).get("namespace"), metadata(obj)["name"])
