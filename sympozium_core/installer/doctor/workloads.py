"""Whether every component is at work."""

from __future__ import annotations

import time

from sympozium_core import names
from sympozium_core.clock import parse_rfc3339
from sympozium_core.contracts.builtin_kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, LEASE, STATEFUL_SET
from sympozium_core.contracts.cluster import NotFound, Object, ResourceType, metadata
from sympozium_core.installer import diagnosis, readiness
from sympozium_core.installer.doctor.findings import Finding, Subject, fail, passed, warn

INSTALL = "sympozium install puts it back"
_PART = f"{names.LABEL_PART_OF}={names.MANAGED_BY}"
SILENT = 60.0
"""Seconds without renewal after which nobody leads: four times as long as a Lease lasts."""


async def controller(subject: Subject) -> list[Finding]:
    return await _workload(subject, "controller", DEPLOYMENT, names.ACCOUNT_CONTROLLER, "no run starts or ends")


async def gateway(subject: Subject) -> list[Finding]:
    return await _workload(subject, "gateway", DEPLOYMENT, "sympozium-gateway", "no run reaches its model")


async def webhook(subject: Subject) -> list[Finding]:
    return await _workload(subject, "webhook", DEPLOYMENT, names.SERVICE_WEBHOOK, "nobody can create a run")


async def event_bus(subject: Subject) -> list[Finding]:
    if not subject.options.own_bus:
        return passed(
            f"the event bus is yours, at {subject.options.nats_url}: the controller is ready only while it reaches it"
        )
    return await _workload(subject, "event bus", STATEFUL_SET, names.SERVICE_NATS, "no run speaks to the control plane")


async def _workload(subject: Subject, title: str, kind: ResourceType, name: str, means: str) -> list[Finding]:
    try:
        found = await subject.cluster.get(kind, subject.namespace, name)
    except NotFound:
        return fail(f"the {title} is not there: {means}", INSTALL, f"{kind.singular} {name} does not exist")
    wanted, status = found["spec"].get("replicas", 1), found.get("status") or {}
    ready = status.get("readyReplicas") or 0
    if not wanted:
        return fail(
            f"the {title} is scaled to nothing: {means}",
            f"kubectl scale -n {subject.namespace} {kind.singular} {name} --replicas=1",
        )
    if missing := readiness.waits_for(kind, found):
        why = await diagnosis.reasons(subject.cluster, found)
        todo = f"kubectl describe -n {subject.namespace} {kind.singular} {name} tells more"
        if ready:
            return warn(f"the {title} is not complete: {missing}", todo, *why)
        return fail(f"the {title} is down: {means}", todo, missing, *why)
    return passed(f"the {title} is ready, {ready} of {wanted}")


async def leader(subject: Subject) -> list[Finding]:
    """Controllers may all be ready while none can get or renew the Lease."""
    todo = f"kubectl logs -n {subject.namespace} deployment/{names.ACCOUNT_CONTROLLER} tells why none takes the Lease"
    try:
        spec = (await subject.cluster.get(LEASE, subject.namespace, names.ACCOUNT_CONTROLLER)).get("spec") or {}
    except NotFound:
        return fail("no controller has ever led", todo)
    holder, renewed = str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or "")
    if not holder:
        return fail("no controller leads: no run starts or ends", todo)
    silent = time.time() - parse_rfc3339(renewed) if renewed else SILENT + 1
    if silent > SILENT:
        return fail(f"{holder} leads, but has not renewed the Lease for {silent:.0f} s", todo)
    return passed(f"{holder} leads")


async def autoscalers(subject: Subject) -> list[Finding]:
    """Where there are any; one that is missing is said by the check of all objects."""
    found = (await subject.cluster.list(HORIZONTAL_POD_AUTOSCALER, subject.namespace, labels=_PART)).items
    idle = {metadata(each)["name"]: message for each in found if (message := _idle(each))}
    if idle:
        least = f"--gateway-max-replicas {subject.options.gateway_replicas} --webhook-max-replicas {subject.options.webhook_replicas}"
        todo = f"install metrics-server; or do without autoscalers: sympozium upgrade {least}"
        return warn(f"{', '.join(sorted(idle))}: load adds no pods, for it is not known", todo, *sorted(set(idle.values())))
    return passed("load adds pods to gateway and webhook") if found else []


def _idle(autoscaler: Object) -> str:
    """Why it does nothing."""
    for condition in (autoscaler.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ScalingActive" and condition.get("status") == "False":
            return str(condition.get("message") or condition.get("reason"))[:300]
    return ""
