"""Runs MCP servers on a cluster: makes their objects, writes them again when the spec has changed, and reads from them how it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sympozium_core.contracts.builtin_kinds import DEPLOYMENT, NETWORK_POLICY, SERVICE
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, NotFound, Object, ResourceType, metadata
from sympozium_core.controllers.mcpserver.host import Deployed
from sympozium_core.controllers.mcpserver.workload import Adapter, made_of, workload
from sympozium_core.names import COMPONENT_MCP_SERVER, LABEL_COMPONENT
from sympozium_core.planning.mcp import service_name, service_url
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.controller import Source
from sympozium_core.reconcile.informers import Informers
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.owner import is_owned_by, owner_keys
from sympozium_core.resources.kinds import MCP_SERVER

SELECTOR = f"{LABEL_COMPONENT}={COMPONENT_MCP_SERVER}"


class Workloads:
    """Implements `host.Host`. What it makes is owned by its MCPServer, and goes with it."""

    def __init__(self, cluster: Cluster, informers: Informers, adapter: Callable[[], Awaitable[Adapter]], home: str) -> None:
        """`home` is the namespace of the gateways. Made before the informers are in step."""
        self._cluster, self._adapter, self._home = cluster, adapter, home
        self._made = {kind: informers.of(kind, labels=SELECTOR) for kind in (NETWORK_POLICY, SERVICE, DEPLOYMENT)}

    @property
    def sources(self) -> list[Source]:
        """What is deleted or changed by somebody else is written again."""
        return [Source(informer, owner_keys(MCP_SERVER)) for informer in self._made.values()]

    async def ensure(self, server: View) -> Deployed:
        for kind, wanted in workload(server, await self._adapter(), self._home):
            if foreign := await self._put(kind, wanted, server):
                return Deployed(False, "NotOurs", foreign)
        name, namespace = service_name(server["metadata"]["name"]), server["metadata"]["namespace"]
        return _state(self._made[DEPLOYMENT].cache.get(Key(namespace, name)), server)

    async def forget(self, namespace: str, name: str) -> None:
        """The garbage collector's work; of a server that has moved elsewhere it is this one's."""
        for kind, informer in self._made.items():
            if (found := informer.cache.get(Key(namespace, service_name(name)))) is not None:
                with contextlib.suppress(NotFound):
                    await self._cluster.delete(kind, namespace, metadata(found)["name"])

    async def _put(self, kind: ResourceType, wanted: Object, server: View) -> str:
        """Why it cannot be there; empty when it is."""
        meta = metadata(wanted)
        known = self._made[kind].cache.get(Key(meta["namespace"], meta["name"]))
        if known is not None and _is_as_wanted(known, wanted) and is_owned_by(known, server):
            return ""
        try:
            await self._cluster.create(kind, wanted)
            return ""
        except AlreadyExists:
            found = await self._cluster.get(kind, meta["namespace"], meta["name"])
        if not is_owned_by(found, server):
            return f"{kind.kind} {meta['name']} is there already and belongs to somebody else: delete it, or name the server otherwise"
        if not _is_as_wanted(found, wanted):
            version = {"resourceVersion": metadata(found)["resourceVersion"]}
            await self._cluster.replace(kind, {**wanted, "metadata": {**meta, **version}})
        return ""


def _is_as_wanted(found: Mapping[str, Any], wanted: Object) -> bool:
    """By its note; of what keeps others out also by what it says, to which an API server adds nothing."""
    same = wanted["kind"] != NETWORK_POLICY.kind or found.get("spec") == wanted["spec"]
    return same and made_of(found) == made_of(wanted)


def _state(deployment: Mapping[str, Any] | None, server: View) -> Deployed:
    name, spec = service_name(server["metadata"]["name"]), server["spec"]
    if spec.get("suspended") or spec.get("replicas") == 0:
        return Deployed(False, "ScaledToZero", f"Deployment {name} has no pods, as the spec says")
    status = (deployment or {}).get("status") or {}
    current = deployment is not None and status.get("observedGeneration") == metadata(deployment).get("generation")
    if current and status.get("availableReplicas"):
        return Deployed(True, "Available", f"Deployment {name}", service_url(server))
    because = next((each.get("message") for each in status.get("conditions") or [] if each.get("status") == "False"), "")
    more = f": {because}" if because else ""
    return Deployed(
        False, "NotAvailable", f"Deployment {name} has no pod that is ready{more}; kubectl describe deployment {name}"
    )
