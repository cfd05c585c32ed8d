"""What happened to a workload, in the order in which it did: changes, events, ends of containers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import tool
from sympozium_core.sidecar.kubectl import Kubectl
from sympozium_skill_incident_response import workload as workloads
from sympozium_skill_incident_response.workload import Kind, Object, Workload


@tool
def incident_timeline(
    kind: Annotated[Kind, "What the workload is."],
    name: Annotated[str, "The workload."],
    call: Call,
    namespace: Annotated[str, "Namespace; without it, the first that this agent has rights in."] = "",
) -> str:
    """What happened to a workload, oldest first, one line each: changes of it, events, starts and ends of containers. For the report of an incident. Times are UTC."""
    kubectl = Kubectl(call)
    found = workloads.workload(kubectl, kind, name, namespace)
    pods = workloads.pods(kubectl, found)
    entries = {*_changes(kubectl, found), *_containers(pods), *_events(kubectl, found, pods)}
    return brief([f"{at} {what}" for at, what in sorted(entries)], narrow="what is older is not shown", keep="tail")


def _changes(kubectl: Kubectl, found: Workload) -> Iterator[tuple[str, str]]:
    yield str(found.whole["metadata"]["creationTimestamp"]), f"{found.kind}/{found.name} was made"
    revisions = workloads.revisions(kubectl, found)
    for new, old in pairwise(revisions):
        what = "; ".join(workloads.changes(old.template, new.template))
        # A revision that is gone back to keeps the time at which it was first made.
        note = " (first made then)" if new.at < old.at else ""
        yield new.at, f"change to revision {new.number}{note}: {what}"


def _containers(pods: list[Object]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        for container in workloads.statuses(pod):
            where = f"{pod['metadata']['name']}, {container['name']}"
            for state in (container.get("state") or {}, container.get("lastState") or {}):
                if ended := state.get("terminated"):
                    yield str(ended.get("finishedAt")), f"{where}: ended with {ended.get('exitCode')} ({ended.get('reason')})"
                if running := state.get("running"):
                    yield str(running.get("startedAt")), f"{where}: started"


def _events(kubectl: Kubectl, found: Workload, pods: list[Object]) -> Iterator[tuple[str, str]]:
    names = {found.name, *(pod["metadata"]["name"] for pod in pods)}
    names |= {each["name"] for pod in pods for each in pod["metadata"].get("ownerReferences") or ()}
    for event in workloads.events(kubectl, found.namespace, names):
        about, count = event["involvedObject"], (event.get("series") or {}).get("count") or event.get("count") or 1
        often = f" ({count} times by then)" if count > 1 else ""
        yield (
            workloads.when(event),
            f"{event.get('type')} {str(about.get('kind')).lower()}/{about.get('name')} {event.get('reason')}{often}: {event.get('message')}",
        )
