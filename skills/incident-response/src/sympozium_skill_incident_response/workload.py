"""A workload and what belongs to it: its pods, its revisions, its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sympozium_core.sidecar.definition import ToolError
from sympozium_core.sidecar.kubectl import Kubectl, KubectlFailed, namespace_flag, objects, target_word

Kind = Literal["deployment", "statefulset", "daemonset"]
Object = Mapping[str, Any]
REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"


@dataclass(frozen=True)
class Workload:
    kind: str
    namespace: str
    whole: Object

    @property
    def name(self) -> str:
        return str(self.whole["metadata"]["name"])

    @property
    def selector(self) -> str:
        labels = self.whole["spec"]["selector"].get("matchLabels") or {}
        return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


@dataclass(frozen=True)
class Revision:
    number: int
    at: str
    template: Object
    cause: str


def workload(kubectl: Kubectl, kind: str, name: str, namespace: str) -> Workload:
    (whole,) = objects(kubectl, "get", target_word(kind, name), namespace_flag(namespace))
    return Workload(kind, str(whole["metadata"]["namespace"]), whole)


def pods(kubectl: Kubectl, of: Workload) -> list[Object]:
    """Its pods, those with trouble first."""
    found = objects(kubectl, "get", "pods", namespace_flag(of.namespace), f"--selector={of.selector}")
    return sorted(found, key=lambda pod: (-sum(trouble(status) for status in statuses(pod)), pod["metadata"]["name"]))


def statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def trouble(container: Object) -> bool:
    """Whether a container is not as it should be, or was not lately."""
    state, last = container.get("state") or {}, container.get("lastState") or {}
    ended = state.get("terminated")
    return bool("waiting" in state or (ended and ended.get("exitCode")) or last.get("terminated"))


def revisions(kubectl: Kubectl, of: Workload) -> list[Revision]:
    """The newest first, as far back as the cluster keeps them."""
    kind = "replicasets" if of.kind == "deployment" else "controllerrevisions"
    found = objects(kubectl, "get", kind, namespace_flag(of.namespace), f"--selector={of.selector}")
    uid = of.whole["metadata"]["uid"]
    owned = [each for each in found if any(owner["uid"] == uid for owner in each["metadata"].get("ownerReferences") or ())]
    return sorted((_revision(each) for each in owned), key=lambda revision: -revision.number)


def _revision(each: Object) -> Revision:
    metadata = each["metadata"]
    notes = metadata.get("annotations") or {}
    if "revision" in each:  # a ControllerRevision
        template = ((each.get("data") or {}).get("spec") or {}).get("template") or {}
        return Revision(int(each["revision"]), metadata["creationTimestamp"], template, notes.get(CAUSE, ""))
    return Revision(
        int(notes.get(REVISION) or 0), metadata["creationTimestamp"], each["spec"]["template"], notes.get(CAUSE, "")
    )


def changes(old: Object, new: Object) -> list[str]:
    """What differs between two pod templates, container by container, in words. Values of variables are not shown: they may be secret."""
    before, after = _containers(old), _containers(new)
    found = [f"container {name} is new" for name in after if name not in before]
    found += [f"container {name} is gone" for name in before if name not in after]
    for name in [name for name in after if name in before]:
        one, other = before[name], after[name]
        if one.get("image") != other.get("image"):
            found.append(f"{name}: image {one.get('image')} -> {other.get('image')}")
        found += [f"{name}: {field} changed" for field in _FIELDS if one.get(field) != other.get(field)]
        found += _variables(name, one, other)
        if (one.get("resources") or {}) != (other.get("resources") or {}):
            found.append(f"{name}: resources {_resources(one)} -> {_resources(other)}")
    return found or _elsewhere(old, new)


_FIELDS = ("command", "args", "ports", "livenessProbe", "readinessProbe", "startupProbe", "volumeMounts", "securityContext")


def _elsewhere(old: Object, new: Object) -> list[str]:
    one, other = dict(old.get("spec") or {}), dict(new.get("spec") or {})
    fields = [
        field for field in sorted({*one, *other} - {"containers", "initContainers"}) if one.get(field) != other.get(field)
    ]
    return [f"{field} changed" for field in fields] or ["labels or annotations of the pods changed"]


def _containers(template: Object) -> dict[str, Object]:
    spec = template.get("spec") or {}
    return {each["name"]: each for each in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))}


def _variables(name: str, one: Object, other: Object) -> Iterator[str]:
    before = {each["name"]: each for each in one.get("env") or ()}
    after = {each["name"]: each for each in other.get("env") or ()}
    changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    if changed:
        yield f"{name}: variables changed: {', '.join(changed[:20])}"
    if one.get("envFrom") != other.get("envFrom"):
        yield f"{name}: envFrom changed"


def _resources(container: Object) -> str:
    limits = (container.get("resources") or {}).get("limits") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(limits.items())) or "none"


def events(kubectl: Kubectl, namespace: str, names: set[str]) -> list[Object]:
    """Events about these objects, the oldest first; none where they may not be read."""
    try:
        found = objects(kubectl, "get", "events", namespace_flag(namespace))
    except KubectlFailed as error:
        raise ToolError(f"the events cannot be read: {error}") from error
    about = [each for each in found if (each.get("involvedObject") or {}).get("name") in names]
    return sorted(about, key=when)


def when(event: Object) -> str:
    """RFC 3339 in UTC, as all times of the API: they sort as texts."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return (
        str(series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])[:19] + "Z"
    )
