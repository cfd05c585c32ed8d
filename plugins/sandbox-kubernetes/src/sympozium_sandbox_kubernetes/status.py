"""What a Pod's status means for a run: read from the Pod itself, for the Job says it seconds later and says less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.cluster import metadata
from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_core.ipc.layout import MAX_SKIP
from sympozium_sandbox_kubernetes.volumes import SKIP

View = Mapping[str, Any]

MAX_MESSAGE = 2048
"""Bytes."""
_TAKES_TIME = frozenset(("", "ContainerCreating", "PodInitializing"))
"""Reasons of a waiting container that are none."""
_SIGNALS = 64
_REJECTED = (
    "OutOf",
    "NodeAffinity",
    "NodeShutdown",
    "NodeLost",
    "Preempting",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
)
"""Beginnings of the reason of a Pod that its node gave up, or never took."""
_UNKNOWN_ENDS = frozenset(("ContainerStatusUnknown", "Unknown"))
"""Of a container whose end nobody saw: its node was away."""


def pod_status(pod: View, *, ours: bool = False) -> PodStatus:
    """`ours`: whoever deletes the Pod is this driver."""
    status = pod.get("status") or {}
    containers = _containers(pod)
    state = _state(status, containers, _agent(pod))
    loss = "" if ours else _loss(pod)
    if state == "starting":
        return PodStatus(state, containers, lost=bool(loss), message=loss or _obstacle(status))
    return PodStatus(state, containers, lost=bool(loss), message=loss or _said(status.get("reason"), status.get("message")))


def gone_status(pod: View, *, ours: bool) -> PodStatus:
    """Of a Pod that is not there any more, by what was last seen of it: all that was in it has ended."""
    last = pod_status(pod, ours=ours)
    ended = {
        name: each if each.state == "ended" else ContainerStatus("ended", -9, message="ended with its pod")
        for name, each in last.containers.items()
    }
    if ours or last.state == "ended":
        return replace(last, state="ended", containers=_in_order(pod, ended))
    message = last.message if last.lost else "Deleted: the pod was deleted by somebody else"
    return PodStatus("ended", _in_order(pod, ended), lost=True, message=message)


def has_processes(pod: View) -> bool:
    """Whether anything of it may still run."""
    if metadata(pod).get("deletionTimestamp") and not (pod.get("spec") or {}).get("nodeName"):
        return False  # no node will ever take it
    return pod_status(pod).state != "ended"


def ends_by_itself(pod: View) -> bool:
    """Whether the agent has ended: its node ends the sidecars after it."""
    return _end(_agent_status(pod)) is not None


def is_broken_off(pod: View) -> bool:
    """Whether its node is out of reach, so that nobody can say when its last process ends."""
    return any(
        each.get("reason") == "DeletionByTaintManager" for each in _conditions(pod.get("status") or {}, "DisruptionTarget")
    )


def _state(status: View, containers: Mapping[str, ContainerStatus], agent: str) -> Any:
    if status.get("phase") in ("Succeeded", "Failed") or all(each.state == "ended" for each in containers.values()):
        return "ended"
    return "starting" if agent not in containers or containers[agent].state == "waiting" else "running"


def _agent(pod: View) -> str:
    """The one container that is no sidecar."""
    regular = (pod.get("spec") or {}).get("containers") or [{}]
    return str(regular[0].get("name", ""))


def _agent_status(pod: View) -> View:
    name = _agent(pod)
    found: list[View] = [each for each in (pod.get("status") or {}).get("containerStatuses") or () if each["name"] == name]
    return found[0] if found else {}


def _containers(pod: View) -> dict[str, ContainerStatus]:
    status = pod.get("status") or {}
    seen = {each["name"]: each for each in _statuses(status)}
    spec = pod.get("spec") or {}
    hooks = [each["name"] for each in spec.get("containers") or () if each.get("terminationMessagePath") == SKIP]
    found = {name: _container(seen.get(name, {}), hook=name in hooks) for name in _names(pod)}
    return _in_order(pod, found)


def _names(pod: View) -> list[str]:
    spec = pod.get("spec") or {}
    return [str(each["name"]) for group in ("containers", "initContainers") for each in spec.get(group) or ()]


def _statuses(status: View) -> Iterable[View]:
    yield from status.get("containerStatuses") or ()
    yield from status.get("initContainerStatuses") or ()


def _container(status: View, *, hook: bool) -> ContainerStatus:
    state = status.get("state") or {}
    ended = _end(status)
    if ended is not None:
        code = int(ended.get("exitCode") or 0)
        # What a signal ended has 128 and its number; a program that ends with such a code of its own cannot be told from it.
        signalled = 128 < code <= 128 + _SIGNALS
        text = str(ended.get("message") or "")
        # On success the kubelet gives nothing but the file, which is what a hook has to say; after a failure it may be the log's end.
        said = _cut(text.strip(), MAX_SKIP) if hook and not code else ""
        message = "" if said else _cut(text, MAX_MESSAGE)
        code = 128 - code if signalled else code
        return ContainerStatus("ended", code, ended.get("reason") == "OOMKilled", message, said)
    return ContainerStatus("running" if "running" in state else "waiting")


def _end(status: View) -> View | None:
    """Of a sidecar that was started again: how it ended before. For the run it is over, what it was doing is lost with it."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    found: View | None = state.get("terminated") or (last.get("terminated") if status.get("restartCount") else None)
    return found


def _in_order(pod: View, containers: Mapping[str, ContainerStatus]) -> dict[str, ContainerStatus]:
    """Those that ended first come first, the agent before others of the same second: the first failure explains the rest."""
    ends = {each["name"]: str((_end(each) or {}).get("finishedAt") or "") for each in _statuses(pod.get("status") or {})}
    last = "~"  # after every time
    return {name: containers[name] for name in sorted(containers, key=lambda name: ends.get(name) or last)}


def _loss(pod: View) -> str:
    """Why it ends with the runtime and not by its own doing; empty when it does not."""
    status = pod.get("status") or {}
    for condition in _conditions(status, "DisruptionTarget"):
        return _said(condition.get("reason") or "Disrupted", condition.get("message"))
    if metadata(pod).get("deletionTimestamp"):
        return "Deleted: the pod was deleted by somebody else"
    if status.get("phase") == "Failed" and str(status.get("reason") or "").startswith(_REJECTED):
        return _said(status["reason"], status.get("message"))
    # With a reason of its own, such as Evicted, the Pod was ended: its containers' ends were only not looked at.
    if not status.get("reason") and (_end(_agent_status(pod)) or {}).get("reason") in _UNKNOWN_ENDS:
        return "NodeLost: the node was away when the agent's container ended"
    return ""


def _obstacle(status: View) -> str:
    """What keeps a Pod from starting, as far as its status says so; its Events may say more."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return _said(condition.get("reason") or "Unschedulable", condition.get("message"))
    for container in _statuses(status):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (waiting.get("reason") or "") not in _TAKES_TIME:
            return _said(waiting["reason"], waiting.get("message") or f"container {container['name']} waits")
    return ""


def _conditions(status: View, kind: str) -> list[View]:
    return [each for each in status.get("conditions") or () if each.get("type") == kind and each.get("status") == "True"]


def _said(reason: object, message: object) -> str:
    """In the form of `PodStatus.message`; empty without a reason."""
    return _cut(f"{reason}: {' '.join(str(message or '').split())}", 500) if reason else ""


def _cut(text: str, size: int) -> str:
    """The end of it is lost; never half a character."""
    return text.encode()[:size].decode(errors="ignore")
