"""From a PodPlan to the Job that carries it out. Pure: the same plan, id, bus and settings give the same Job."""

from __future__ import annotations

from sympozium_core import names
from sympozium_core.contracts import pod_security
from sympozium_core.contracts.builtin_kinds import JOB
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import PodPlan
from sympozium_sandbox_kubernetes import containers, network, placement, volumes
from sympozium_sandbox_kubernetes.checks import check_plan, check_pod_id
from sympozium_sandbox_kubernetes.network import Bus
from sympozium_sandbox_kubernetes.settings import Settings

GRACE = 60
"""Seconds in which a pod that is told to end may do so: time for the bridge to hand over what there is."""


def render(pod_id: str, plan: PodPlan, bus: Bus, settings: Settings) -> Object:
    """Raises Permanent for an id or a plan that cannot be a pod."""
    check_pod_id(pod_id)
    check_plan(plan, settings)
    labels = {**network.labels(pod_id, plan), **placement.labels(plan)}
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "metadata": {"name": pod_id, "namespace": plan.namespace, "labels": labels},
        "spec": {
            # One pod, whatever becomes of it: another attempt is the controller's to decide, and has another id.
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "activeDeadlineSeconds": settings.longest,
            "ttlSecondsAfterFinished": settings.keep_finished,
            "template": {
                "metadata": {"labels": labels, "annotations": {names.ANNOTATION_BUS_CA: bus.authority}},
                "spec": _pod(pod_id, plan, bus, settings),
            },
        },
    }


def _pod(pod_id: str, plan: PodPlan, bus: Bus, settings: Settings) -> Object:
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE,
        "serviceAccountName": plan.account or "default",
        "automountServiceAccountToken": False,
        "shareProcessNamespace": False,
        "securityContext": pod_security.of_pod(),
        **network.rendered(plan, bus),
        **placement.rendered(plan),
        **containers.rendered(pod_id, plan, bus, settings),
        "volumes": volumes.volumes(plan),
    }
