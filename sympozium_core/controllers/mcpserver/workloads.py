"""Runs MCP servers on a cluster: makes their objects, writes them again when the spec has changed, and reads from them how it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sympozium_core.contracts.builtin_kinds import DEPLOYMENT
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, Object, ResourceType, metadata
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
        self._deployments = informers.of(DEPLOYMENT, labels=SELECTOR)

    @property
    def source(self) -> Source:
        return Source(self._deployments, owner_keys(MCP_SERVER))

    async def ensure(self, server: View) -> Deployed:
        for kind, wanted in workload(server, await self._adapter(), self._home):
            if foreign := await self._put(kind, wanted, server):
                return Deployed(False, "NotOurs", foreign)
        name, namespace = service_name(server["metadata"]["name"]), server["metadata"]["namespace"]
        return _state(self._deployments.cache.get(Key(namespace, name)), server)

    async def forget(self, namespace: str, name: str) -> None:
        """The garbage collector's work; of a server that has moved elsewhere it is this one's."""
        found = self._deployments.cache.get(Key(namespace, service_name(name)))
        if found is None:
            return
        await self._cluster.delete(DEPLOYMENT, namespace, metadata(found)["name"])

    async def _put(self, kind: ResourceType, wanted: Object, server: View) -> str:
        """Why it cannot be there; empty when it is."""
        meta = metadata(wanted)
        known = self._deployments.cache.get(Key(meta["namespace"], meta["name"])) if kind == DEPLOYMENT else None
        if known is not None and made_of(known) == made_of(wanted) and is_owned_by(known, server):
            return ""
        try:
            await self._cluster.create(kind, wanted)
            return ""
        except AlreadyExists:
            found = await self._cluster.get(kind, meta["namespace"], meta["name"])
        if not is_owned_by(found, server):
            return f"{kind.kind} {meta['name']} is there already and belongs to somebody else: delete it, or name the server otherwise"
        if made_of(found) != made_of(wanted):
            version = {"resourceVersion": metadata(found)["resourceVersion"]}
            await self._cluster.replace(kind, {**wanted, "metadata": {**meta, **version}})
        return ""


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
