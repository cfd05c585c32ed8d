"""How an installation is, at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import DEPLOYMENT, LEASE, STATEFUL_SET
from sympozium_core.contracts.cluster import NotFound, Object, ResourceType
from sympozium_core.installation.options import Options
from sympozium_core.installation.parts import LABEL_VERSION
from sympozium_core.installer import readiness, runs, webhook
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient
    from sympozium_core.installer.installed import Installed

_WORKLOADS = (
    ("controller", DEPLOYMENT, "sympozium-controller"),
    ("gateway", DEPLOYMENT, "sympozium-gateway"),
    ("webhook", DEPLOYMENT, "sympozium-webhook"),
    ("nats", STATEFUL_SET, names.SERVICE_NATS),
)


@dataclass(frozen=True)
class Component:
    name: str
    ready: int
    desired: int
    version: str
    state: str
    """What it waits for, or what is to be known of it."""
    fine: bool

    @property
    def counted(self) -> str:
        return f"{self.ready}/{self.desired}"


@dataclass(frozen=True)
class Overview:
    version: str
    components: tuple[Component, ...]
    runs: dict[str, int]
    """How many by phase."""
    instances: int

    @property
    def fine(self) -> bool:
        return all(component.fine for component in self.components)

    def as_json(self) -> dict[str, Any]:
        components = [
            {"name": each.name, "ready": each.ready, "desired": each.desired, "version": each.version, "state": each.state}
            for each in self.components
        ]
        return {
            "version": self.version,
            "fine": self.fine,
            "components": components,
            "runs": self.runs,
            "instances": self.instances,
        }


async def look(cluster: ClusterClient, installed: Installed) -> Overview:
    """Raises ApiError."""
    found = [await _component(cluster, *each) for each in _WORKLOADS if _belongs(each[0], installed.options)]
    return Overview(
        installed.version,
        tuple(found),
        runs.by_phase(await runs.all_of(cluster, AGENT_RUN)),
        len(await runs.all_of(cluster, SYMPOZIUM_INSTANCE)),
    )


def _belongs(component: str, options: Options | None) -> bool:
    return component != names.COMPONENT_NATS or options is None or options.own_bus


async def _component(cluster: ClusterClient, component: str, kind: ResourceType, name: str) -> Component:
    try:
        found = await cluster.get(kind, names.SYSTEM_NAMESPACE, name)
    except NotFound:
        return Component(component, 0, 0, "", f"{kind.singular} {name} is not there", fine=False)
    status = found.get("status") or {}
    missing = readiness.waits_for(kind, found)
    known = "" if missing else await _known(cluster, component)
    return Component(
        component,
        status.get("readyReplicas") or 0,
        found["spec"].get("replicas", 1),
        str((found["metadata"].get("labels") or {}).get(LABEL_VERSION) or ""),
        missing or known,
        fine=not missing and not (component == "webhook" and known),
    )


async def _known(cluster: ClusterClient, component: str) -> str:
    if component == "controller":
        holder = ((await _lease(cluster)).get("spec") or {}).get("holderIdentity")
        return f"{holder.rpartition('-')[0]} leads" if holder else "nobody leads yet"
    if component == "webhook":
        fault = await webhook.webhook_fault(cluster)
        return f"the API server does not reach it: {fault}" if fault else ""
    return ""


async def _lease(cluster: ClusterClient) -> Object:
    try:
        return await cluster.get(LEASE, names.SYSTEM_NAMESPACE, "sympozium-controller")
    except NotFound:
        return {}
