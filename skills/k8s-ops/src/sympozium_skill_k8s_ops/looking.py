"""The tools that change nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_core.sidecar.kubectl import (
    Kubectl,
    Log,
    kind_word,
    log_lines,
    name_word,
    namespace_flag,
    selector_flags,
    target_word,
)

Namespace = Annotated[str, "Namespace; without it, the first that this agent has rights in."]
AllNamespaces = Annotated[bool, "Of every namespace."]


@tool
def k8s_get(
    kind: Annotated[str, "Such as pods, deployments, nodes, events, ingresses.networking.k8s.io."],
    call: Call,
    name: Annotated[str, "One object; without it, all of the kind are listed."] = "",
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    selector: Annotated[str, "Labels, such as app=web."] = "",
    output: Annotated[Literal["table", "wide", "yaml", "names"], "yaml shows everything of each object."] = "table",
) -> str:
    """List objects of a kind, or show one. The quickest look at what there is and how it is."""
    words = ["get", kind_word(kind), *([name_word(name)] if name else []), *selector_flags(selector)]
    if name and (all_namespaces or selector):
        raise BadArguments("give a name, or all_namespaces and a selector, not both")
    words.append("--all-namespaces" if all_namespaces else namespace_flag(namespace))
    words += {"table": [], "wide": ["--output=wide"], "yaml": ["--output=yaml"], "names": ["--output=name"]}[output]
    found = Kubectl(call)(*words)
    if not found.strip():
        return f"There are no {kind}{' with these labels' if selector else ''} there."
    return brief(found.splitlines(), narrow="give a namespace, a selector or a name, or output names")


@tool
def k8s_describe(
    kind: Annotated[str, "Such as pod, node or service."],
    name: Annotated[str, "The object."],
    call: Call,
    namespace: Namespace = "",
) -> str:
    """What is known of one object in words: its state, why it is so, and its last events. The first thing to do with what does not work."""
    found = Kubectl(call)("describe", kind_word(kind), name_word(name), namespace_flag(namespace))
    lines = found.splitlines()
    events = next((at for at, line in enumerate(lines) if line.startswith("Events:")), len(lines))
    tail = brief(lines[events:], narrow="k8s_events shows them all", keep="tail", room=3_000)
    head = brief(lines[:events], narrow="k8s_get with output yaml shows it all", room=4_000)
    return f"{head}\n{tail}".rstrip()


@tool
def k8s_logs(
    pod: Annotated[str, "Name of the pod."],
    call: Call,
    namespace: Namespace = "",
    container: Annotated[str, "Needed where the pod has several."] = "",
    previous: Annotated[bool, "Of the container before the last restart: why it ended."] = False,
    lines: Annotated[int, "How many of the last lines are read, at most 2000."] = 100,
    since: Annotated[str, "Only what is younger, such as 15m."] = "",
    containing: Annotated[str, "Only lines that have this text, upper or lower case."] = "",
) -> str:
    """The end of a container's log."""
    read = log_lines(Kubectl(call), Log(pod, namespace, container, previous, lines, since))
    found = [line for line in read if containing.lower() in line.lower()] if containing else read
    if not found:
        return f"None of the last {len(read)} lines has that text." if containing and read else "The log is empty."
    return brief(found, narrow="ask for fewer lines, for since, or for lines containing a text", keep="tail")


@tool
def k8s_events(
    call: Call,
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    about: Annotated[str, "Only about this object, such as pod/web-1."] = "",
    warnings_only: Annotated[bool, "Leave out what is normal."] = False,
) -> str:
    """What happened lately, the newest last: scheduling, pulling, probes, restarts, evictions."""
    words = ["events", "--all-namespaces" if all_namespaces else namespace_flag(namespace)]
    if about:
        kind, slash, name = about.partition("/")
        if not slash:
            raise BadArguments(f"the argument 'about' is {about[:100]!r}; give kind and name, such as pod/web-1")
        words.append(f"--for={target_word(kind, name)}")
    words += ["--types=Warning"] if warnings_only else []
    found = Kubectl(call)(*words)
    return (
        brief(found.splitlines(), narrow="give a namespace or an object, or warnings_only", keep="tail")
        or "There are no events."
    )


@tool
def k8s_top(
    of: Annotated[Literal["pods", "nodes"], "Whose."],
    call: Call,
    namespace: Namespace = "",
    all_namespaces: AllNamespaces = False,
    selector: Annotated[str, "Labels, such as app=web."] = "",
) -> str:
    """CPU and memory in use now, the greediest first. Needs a metrics-server in the cluster."""
    where = [] if of == "nodes" else ["--all-namespaces" if all_namespaces else namespace_flag(namespace)]
    found = Kubectl(call)("top", of, *where, *selector_flags(selector), "--sort-by=memory")
    return brief(found.splitlines(), narrow="give a namespace or a selector")
