"""Why something does not get ready: what its pods wait for, what they said at the end, and what the cluster warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.contracts.builtin_kinds import EVENT, POD
from sympozium_core.contracts.cluster import ApiError, Object, metadata

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

MAX_LINES = 12
LOG_LINES = 5
MAX_LINE = 400
_NORMAL = (None, "PodInitializing", "ContainerCreating")
"""Reasons for which a container waits that only take their time."""


async def reasons(cluster: ClusterClient, obj: Mapping[str, Any]) -> list[str]:
    """In a few lines, the most telling first. Never raises: who asks has a worse problem already."""
    namespace = str(metadata(obj).get("namespace") or "")
    try:
        pods = await _pods_of(cluster, namespace, obj)
        found = [line for pod in pods for line in await _of_pod(cluster, pod)]
        found += await _warnings(cluster, namespace, str(metadata(obj)["name"]), pods)
    except ApiError as error:
        return [f"(it cannot be asked why: {error.message})"]
    return [line[:MAX_LINE] for line in dict.fromkeys(found)][:MAX_LINES]


async def waiting(cluster: ClusterClient, obj: Mapping[str, Any]) -> str:
    """The first reason of a pod, in a few words, for a line of progress; empty when there is none."""
    try:
        pods = await _pods_of(cluster, str(metadata(obj).get("namespace") or ""), obj)
    except ApiError:
        return ""
    return next((text for pod in pods for text in pod_reasons(pod)), "")[:MAX_LINE]


async def _pods_of(cluster: ClusterClient, namespace: str, obj: Mapping[str, Any]) -> list[Object]:
    """Those of the newest template, as far as one can tell them: a pod that is ready has nothing to say."""
    selector = ((obj.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
    if not selector or not namespace:
        return []
    labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    pods = (await cluster.list(POD, namespace, labels=labels)).items
    return [pod for pod in pods if not metadata(pod).get("deletionTimestamp")]


def pod_reasons(pod: Mapping[str, Any]) -> list[str]:
    """Why a pod is not ready."""
    status, name = pod.get("status") or {}, metadata(pod)["name"]
    found = []
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        waits = state.get("waiting") or {}
        if waits.get("reason") not in _NORMAL:
            found.append(f"pod {name}: {waits['reason']}: {waits.get('message') or ''}".rstrip(": "))
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if ended and (ended.get("exitCode") or ended.get("reason") == "Error"):
            found.append(f"pod {name}: ended with {ended.get('exitCode')} ({ended.get('reason')})")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            found.append(f"pod {name}: {condition.get('reason')}: {condition.get('message')}")
    return found


async def _of_pod(cluster: ClusterClient, pod: Object) -> list[str]:
    found = pod_reasons(pod)
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container.get("restartCount") or (container.get("state") or {}).get("terminated"):
            found += await _last_words(cluster, pod, container)
        elif not container.get("ready") and (container.get("state") or {}).get("running"):
            found.append(f"pod {metadata(pod)['name']}: runs, but is not ready")
            found += await _last_words(cluster, pod, container)
    return found


async def _last_words(cluster: ClusterClient, pod: Object, container: Mapping[str, Any]) -> list[str]:
    """The end of its log; of the container before, where this one has not begun."""
    path = f"/api/v1/namespaces/{metadata(pod)['namespace']}/pods/{metadata(pod)['name']}/log"
    query = {"container": str(container["name"]), "tailLines": str(LOG_LINES), "limitBytes": "16384"}
    if (container.get("state") or {}).get("waiting"):
        query["previous"] = "true"
    try:
        text = (await cluster.get_path(path, query)).decode("utf-8", "replace")
    except ApiError:
        return []
    return [f"  {line}" for line in text.splitlines() if line.strip()]


async def _warnings(cluster: ClusterClient, namespace: str, name: str, pods: list[Object]) -> list[str]:
    """Of the object, of what it made (their names begin with its own), of its pods; the newest first."""
    about = {metadata(pod)["name"] for pod in pods}
    events = [
        event
        for event in (await cluster.list(EVENT, namespace, fields="type=Warning", limit=500)).items
        if _concerns(event, name, about)
    ]
    events.sort(key=_when, reverse=True)
    return [_told(event) for event in events]


def _concerns(event: Mapping[str, Any], name: str, pods: set[str]) -> bool:
    involved = event.get("involvedObject") or {}
    found = str(involved.get("name") or "")
    return found in pods or found == name or (involved.get("kind") == "ReplicaSet" and found.startswith(f"{name}-"))


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or metadata(event).get("creationTimestamp") or "")


def _told(event: Mapping[str, Any]) -> str:
    involved = event.get("involvedObject") or {}
    kind = str(involved.get("kind") or "object").lower()
    return f"{kind} {involved.get('name')}: {event.get('reason')}: {event.get('message')}"
