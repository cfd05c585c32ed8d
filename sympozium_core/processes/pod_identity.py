"""Whose bridge speaks: from a pod's projected token to the run that the pod carries, each step checked with the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympozium_core import names
from sympozium_core.bus.authorization import BusUser
from sympozium_core.contracts.builtin_kinds import JOB, POD, TOKEN_REVIEW
from sympozium_core.contracts.cluster import Cluster, NotFound, metadata
from sympozium_core.controllers.agentrun import attempts
from sympozium_core.controllers.agentrun.context import INDEX_POD
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.agentrun.status import is_current_pod
from sympozium_core.reconcile.informer import Informer

_EXTRA = "authentication.kubernetes.io/"


class PodIdentities:
    """Tells the bus user of a token. The pod is believed to be a run's when a Job that bears the pod's id owns it and the run's status names that id."""

    def __init__(self, cluster: Cluster, plans: Plans, runs: Informer, grace: float) -> None:
        """`grace`: seconds after the run's deadline in which its bridge may still hand over what there is."""
        self._cluster, self._plans, self._runs, self._grace = cluster, plans, runs, grace

    async def authenticate(self, token: str) -> BusUser | None:
        """None for a token that is no pod's, for a pod that is no run's current one, and for a run that is over. Raises ApiError."""
        review = await self._cluster.create(TOKEN_REVIEW, {"spec": {"token": token, "audiences": [names.BUS_AUDIENCE]}})
        return await self._user(review.get("status") or {})

    async def _user(self, status: Mapping[str, Any]) -> BusUser | None:
        if not status.get("authenticated") or names.BUS_AUDIENCE not in (status.get("audiences") or ()):
            return None
        user = status.get("user") or {}
        extra = user.get("extra") or {}
        name, uid = _only(extra.get(f"{_EXTRA}pod-name")), _only(extra.get(f"{_EXTRA}pod-uid"))
        parts = str(user.get("username") or "").split(":")
        if not name or not uid or parts[:2] != ["system", "serviceaccount"] or len(parts) != 4:
            return None
        pod = await self._pod(parts[2], name)
        if pod is None or metadata(pod).get("uid") != uid:
            return None
        return await self._of_run(pod)

    async def _pod(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        try:
            return await self._cluster.get(POD, namespace, name)
        except NotFound:
            return None

    async def _of_run(self, pod: Mapping[str, Any]) -> BusUser | None:
        meta = pod["metadata"]
        pod_id = str((meta.get("labels") or {}).get(names.LABEL_POD) or "")
        owners = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
        if not pod_id or not any(owner.get("kind") == JOB.kind and owner.get("name") == pod_id for owner in owners):
            return None
        run = next(iter(self._runs.cache.by_index(INDEX_POD, pod_id)), None)
        if run is None or run["metadata"]["namespace"] != meta["namespace"] or not is_current_pod(run, pod_id):
            return None
        uid = str(run["metadata"]["uid"])
        plan = await self._plans.load(uid)
        return BusUser(uid=uid, pod=pod_id, expires=attempts.deadline_of(run, plan.limits.timeout) + self._grace)


def _only(values: object) -> str:
    return str(values[0]) if isinstance(values, list) and len(values) == 1 else ""
