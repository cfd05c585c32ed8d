"""The first look at an incident in one call: what is wrong with a workload, in its pods, events and logs, and what changed last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import tool
from sympozium_core.sidecar.kubectl import Kubectl, KubectlFailed, Log, log_lines, reason
from sympozium_skill_incident_response import workload as workloads
from sympozium_skill_incident_response.workload import Kind, Object, Workload

PODS, LOGS = 8, 2
LOG_LINES = 15


@tool
def incident_triage(
    kind: Annotated[Kind, "What the workload is."],
    name: Annotated[str, "The workload."],
    call: Call,
    namespace: Annotated[str, "Namespace; without it, the first that this agent has rights in."] = "",
) -> str:
    """What is wrong with a workload: its state, its pods and why containers ended, warnings, the last log lines (of before the restart where there
    was one), and what its last change was."""
    kubectl = Kubectl(call)
    found = workloads.workload(kubectl, kind, name, namespace)
    pods = workloads.pods(kubectl, found)
    parts = [
        _state(found),
        ["", f"PODS ({len(pods)}, those with trouble first)", *(line for pod in pods[:PODS] for line in _pod(pod))],
        ["", "WARNINGS (newest last)", *_warnings(kubectl, found, pods)],
        ["", "LAST CHANGE", *_last_change(kubectl, found)],
        *([["", *_log(kubectl, pod)] for pod in pods[:LOGS] if any(map(workloads.trouble, workloads.statuses(pod)))]),
    ]
    return brief([line for part in parts for line in part], narrow="look at one pod by itself")


def _state(found: Workload) -> list[str]:
    status, spec = found.whole.get("status") or {}, found.whole["spec"]
    wanted = status.get("desiredNumberScheduled", spec.get("replicas", 1))
    ready = status.get("numberReady", status.get("readyReplicas", 0))
    lines = [f"{found.kind}/{found.name} in {found.namespace}: {ready} of {wanted} pods are ready"]
    for each in status.get("conditions") or ():
        if (each["type"], each["status"]) in (("Available", "False"), ("Progressing", "False"), ("ReplicaFailure", "True")):
            lines.append(f"{each['type']}={each['status']} since {each.get('lastTransitionTime')}: {each.get('message')}")
    return lines


def _pod(pod: Object) -> Iterator[str]:
    status, metadata = pod.get("status") or {}, pod["metadata"]
    owner = next((f"{each['kind']}/{each['name']}" for each in metadata.get("ownerReferences") or ()), "nobody")
    node = pod["spec"].get("nodeName") or "no node yet"
    yield f"{metadata['name']}: {status.get('phase')} on {node}, since {metadata['creationTimestamp']}, of {owner}"
    for each in status.get("conditions") or ():
        if each["type"] == "PodScheduled" and each["status"] == "False":
            yield f"  not scheduled: {each.get('message')}"
    for container in workloads.statuses(pod):
        yield f"  {container['name']}: {_container(container)}, restarts {container.get('restartCount', 0)}"


def _container(container: Object) -> str:
    state, last = container.get("state") or {}, (container.get("lastState") or {}).get("terminated")
    if "waiting" in state:
        words = f"waiting, {state['waiting'].get('reason')}: {state['waiting'].get('message', '')}".rstrip(": ")
    elif "terminated" in state:
        words = _ended(state["terminated"])
    else:
        words = "running" if container.get("ready") else "running, not ready"
    return f"{words}; before that {_ended(last)}" if last else words


def _ended(state: Object) -> str:
    return f"ended {state.get('finishedAt')} with {state.get('exitCode')} ({state.get('reason')})"


def _warnings(kubectl: Kubectl, found: Workload, pods: list[Object]) -> list[str]:
    names = {found.name, *(pod["metadata"]["name"] for pod in pods)}
    names |= {each["name"] for pod in pods for each in pod["metadata"].get("ownerReferences") or ()}
    warnings = [each for each in workloads.events(kubectl, found.namespace, names) if each.get("type") == "Warning"]
    lines = [
        f"{workloads.when(each)} {_about(each)} {each.get('reason')}{_times(each)}: {each.get('message')}" for each in warnings
    ]
    return brief(lines, narrow="there are more", keep="tail", room=1_800).splitlines() or ["none"]


def _about(event: Object) -> str:
    about = event["involvedObject"]
    return f"{str(about.get('kind')).lower()}/{about.get('name')}"


def _times(event: Object) -> str:
    count = (event.get("series") or {}).get("count") or event.get("count") or 1
    return f" x{count}" if count > 1 else ""


def _last_change(kubectl: Kubectl, found: Workload) -> list[str]:
    revisions = workloads.revisions(kubectl, found)
    if len(revisions) < 2:
        return [
            f"none on record since it was made at {found.whole['metadata']['creationTimestamp']}: there is nothing to roll back to"
        ]
    new, old = revisions[0], revisions[1]
    what = workloads.changes(old.template, new.template)
    said = [f"cause given: {new.cause}"] if new.cause else []
    return [
        f"revision {new.number}, at {new.at}, after revision {old.number} of {old.at}:",
        *(f"  {line}" for line in [*what, *said]),
    ]


def _log(kubectl: Kubectl, pod: Object) -> list[str]:
    """Of the first container with trouble; where it runs again, of before its last restart. One that has ended or waits still counts as current."""
    container = next(each for each in workloads.statuses(pod) if workloads.trouble(each))
    name, again = pod["metadata"]["name"], "running" in (container.get("state") or {})
    title = f"LOG of {name}, {container['name']}" + (", before its last restart" if again else "")
    try:
        lines = log_lines(kubectl, Log(name, pod["metadata"]["namespace"], container["name"], again, LOG_LINES))
    except KubectlFailed as error:
        lines = [reason(error)]
    return [title, *brief(lines or ["it is empty"], narrow="read the log by itself", keep="tail", room=1_800).splitlines()]
