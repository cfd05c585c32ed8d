"""The tools that change something. What of it succeeds is the API server's decision alone: by the rights of this run."""

from __future__ import annotations

from typing import Annotated, Literal

from sympozium_core.sidecar.brief import brief
from sympozium_core.sidecar.calls import Call, Outcome
from sympozium_core.sidecar.declared import outcome_of_command
from sympozium_core.sidecar.definition import BadArguments, tool
from sympozium_core.sidecar.kubectl import Kubectl, KubectlFailed, explained, name_word, namespace_flag, target_word

MANAGER = "--field-manager=sympozium-k8s-ops"
MANIFEST = 256 * 1024
EXEC_SECONDS = 60
_ENDED = "command terminated with exit code"
"""What kubectl says when the program has run and failed; without it, it was kubectl that failed."""
Namespace = Annotated[str, "Namespace; without it, the first that this agent has rights in."]
Workload = Annotated[Literal["deployment", "statefulset", "daemonset"], "What it is."]


@tool
def k8s_apply(
    manifest: Annotated[str, "YAML of one or several objects, with ---  between them."],
    call: Call,
    namespace: Annotated[str, "For objects that name none; without it, the first that this agent has rights in."] = "",
    dry_run: Annotated[bool, "Only have the API server check it."] = False,
) -> str:
    """Create or change objects (server-side apply). Everything is tried out first: where the API server refuses one object, none is changed."""
    if len(manifest) > MANIFEST or not manifest.strip():
        raise BadArguments(f"the argument 'manifest' has {len(manifest)} characters; give YAML of at most {MANIFEST}")
    kubectl = Kubectl(call)
    words = ("apply", "--server-side", MANAGER, namespace_flag(namespace), "--filename=-")
    tried = kubectl(*words, "--dry-run=server", stdin=manifest)
    if dry_run:
        return brief(tried.splitlines(), narrow="apply fewer objects at once")
    return brief(kubectl(*words, stdin=manifest).splitlines(), narrow="apply fewer objects at once")


@tool
def k8s_scale(
    kind: Annotated[Literal["deployment", "statefulset", "replicaset"], "What it is."],
    name: Annotated[str, "The object."],
    replicas: Annotated[int, "How many pods it is to have, 0 to 1000."],
    call: Call,
    namespace: Namespace = "",
) -> str:
    """Change how many pods a workload has. Says how many it had, so that it can be put back."""
    if not 0 <= replicas <= 1000:
        raise BadArguments(f"the argument 'replicas' is {replicas}; give 0 to 1000")
    kubectl, target, where = Kubectl(call), target_word(kind, name), namespace_flag(namespace)
    before = kubectl("get", target, where, "--output=jsonpath={.spec.replicas}").strip()
    kubectl("scale", target, where, f"--replicas={replicas}", f"--current-replicas={before}")
    return f"{target} had {before} replicas and now wants {replicas}; k8s_rollout status shows how far it is."


@tool
def k8s_rollout(
    action: Annotated[
        Literal["status", "history", "restart", "undo", "pause", "resume"],
        "undo goes back to the revision before, or to `revision`.",
    ],
    kind: Workload,
    name: Annotated[str, "The object."],
    call: Call,
    namespace: Namespace = "",
    revision: Annotated[int, "For history and undo: one revision."] = 0,
) -> str:
    """See how an update of a workload goes, or restart, undo, pause or resume it."""
    if revision < 0 or (revision and action not in ("history", "undo")):
        raise BadArguments(f"the argument 'revision' is {revision}; it goes with history and undo, and is above 0")
    words = ["rollout", action, target_word(kind, name), namespace_flag(namespace)]
    if revision:
        words.append(f"--revision={revision}" if action == "history" else f"--to-revision={revision}")
    if action == "status":
        words.append("--watch=false")
    return brief(Kubectl(call)(*words).splitlines(), narrow="ask for one revision")


@tool
def k8s_delete(
    kind: Annotated[str, "Such as pod or configmap."],
    name: Annotated[str, "The one object."],
    call: Call,
    namespace: Namespace = "",
) -> str:
    """Delete one object, by its name. A pod of a workload comes back by itself: that restarts it."""
    found = Kubectl(call)("delete", target_word(kind, name), namespace_flag(namespace), "--wait=false")
    return f"{found.strip()} (it may take a moment to be gone)"


@tool
def k8s_exec(
    pod: Annotated[str, "Name of the pod."],
    command: Annotated[
        list[str], "The program and its arguments, each a word; there is no shell unless you name one: [sh, -c, …]."
    ],
    call: Call,
    namespace: Namespace = "",
    container: Annotated[str, "Needed where the pod has several."] = "",
) -> Outcome:
    """Run a program in a container. Prefer the other tools: this one is for what only the container knows."""
    if not command or len(command) > 64 or any("\0" in word for word in command):
        raise BadArguments("the argument 'command' is empty, too long or holds a NUL; give 1 to 64 words")
    words = ["exec", name_word(pod, "pod"), namespace_flag(namespace), "--pod-running-timeout=5s"]
    words += [f"--container={name_word(container, 'container')}"] if container else []
    done = Kubectl(call).run(*words, "--", *command, timeout=EXEC_SECONDS)
    if done.exit_code and not done.timed_out and _ENDED not in done.stderr:
        raise KubectlFailed(explained(done, ("exec",), EXEC_SECONDS))
    outcome = outcome_of_command(done)
    content = brief(outcome.content.splitlines(), narrow="have the program print less", keep="tail")
    return Outcome(content, outcome.status, outcome.exit_code)
