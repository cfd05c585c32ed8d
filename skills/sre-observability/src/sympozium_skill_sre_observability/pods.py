"""What Kubernetes itself tells of pods; it changes nothing."""

from __future__ import annotations

from typing import Annotated

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import tool
from sympozium_core.sidecar.kubectl import Kubectl, Log, log_lines, namespace_flag, selector_flags

Namespace = Annotated[str, "Namespace; without it, the first that this agent has rights in."]
AllNamespaces = Annotated[bool, "Of every namespace."]
Selector = Annotated[str, "Labels, such as app=web."]
NARROW = "give a namespace or a selector"


@tool
def pod_status(call: Call, namespace: Namespace = "", all_namespaces: AllNamespaces = False, selector: Selector = "") -> str:
    """Pods with their state, restarts, age and node."""
    where = "--all-namespaces" if all_namespaces else namespace_flag(namespace)
    found = Kubectl(call)("get", "pods", where, *selector_flags(selector), "--output=wide")
    return brief(found.splitlines(), narrow=NARROW) or "There are none."


@tool
def pod_usage(call: Call, namespace: Namespace = "", all_namespaces: AllNamespaces = False, selector: Selector = "") -> str:
    """CPU and memory that pods use now, the greediest first; for how it went, ask Prometheus. Needs a metrics-server in the cluster."""
    where = "--all-namespaces" if all_namespaces else namespace_flag(namespace)
    found = Kubectl(call)("top", "pods", where, *selector_flags(selector), "--sort-by=memory")
    return brief(found.splitlines(), narrow=NARROW)


@tool
def pod_logs(
    pod: Annotated[str, "Name of the pod."],
    call: Call,
    namespace: Namespace = "",
    container: Annotated[str, "Needed where the pod has several."] = "",
    previous: Annotated[bool, "Of the container before its last restart."] = False,
    lines: Annotated[int, "How many of the last lines, at most 2000."] = 100,
    since: Annotated[str, "Only what is younger, such as 15m."] = "",
) -> str:
    """The end of a container's log as Kubernetes keeps it: also where no Loki does."""
    found = log_lines(Kubectl(call), Log(pod, namespace, container, previous, lines, since))
    return brief(found, narrow="ask for fewer lines, or for since", keep="tail") or "The log is empty."
