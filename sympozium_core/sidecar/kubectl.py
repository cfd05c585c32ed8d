"""kubectl for the tools of a skill with rights: called by words, never by a shell, as the ServiceAccount of this run and this skill.

What a model gives is checked to be a kind, a name or a namespace before it becomes a word, so nothing of it can be an option.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core.sidecar.calls import Call
from sympozium_core.sidecar.command import Command, Finished, run_command
from sympozium_core.sidecar.definition import BadArguments, ToolError

TIMEOUT = 30.0
MOST = 4 * 1024 * 1024
"""Bytes of an answer that are read: some hundreds of objects as JSON, some thousands as a table."""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod's programs look for their token."""
_KEPT = ("PATH", "HOME", "TMPDIR", "KUBECONFIG", "KUBECACHEDIR", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
"""Of this process's environment; `KUBECONFIG` is nobody's in a pod."""
_KIND = re.compile(r"[a-zA-Z][a-zA-Z0-9.-]{0,127}")
_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.:-]{0,251}[a-zA-Z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SELECTOR = re.compile(r"[a-zA-Z0-9_./=!, ()-]{1,512}")
_SINCE = re.compile(r"[1-9][0-9]{0,5}[smh]")


class KubectlFailed(ToolError):
    """kubectl ended with another status than 0."""


class Kubectl:
    """For one call of a tool: it ends with the call."""

    def __init__(self, call: Call, environment: Mapping[str, str] = os.environ) -> None:
        self._call = call
        self._environment = environment

    def __call__(self, *words: str, stdin: str = "", timeout: float = TIMEOUT) -> str:
        """Standard output. Raises KubectlFailed, which says what to try."""
        done = self.run(*words, stdin=stdin, timeout=timeout)
        if done.exit_code or done.timed_out:
            raise KubectlFailed(explained(done, words, timeout))
        return done.stdout

    def run(self, *words: str, stdin: str = "", timeout: float = TIMEOUT) -> Finished:
        """Whatever comes of it."""
        program = shutil.which("kubectl", path=self._environment.get("PATH"))
        if program is None:
            raise ToolError("there is no kubectl in this sidecar; its image has to hold one (sympozium-skill-kubectl does)")
        kept = {name: self._environment[name] for name in _KEPT if name in self._environment}
        # Without --request-timeout: with an option that a kubeconfig could hold as well, kubectl no longer takes itself to be in a cluster.
        command = Command([program, *words], "/", {"HOME": "/tmp", **kept}, timeout, stdin, MOST)
        return run_command(command, self._call)


def reason(error: KubectlFailed) -> str:
    """The first line of what went wrong, without what to try."""
    return str(error).partition("\n")[0]


def own_namespaces(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Those that the skill's rights were narrowed to, else the run's own; the first is where a tool looks when it is given none."""
    narrowed = [name.strip() for name in environment.get("SKILL_NAMESPACES", "").split(",") if name.strip()]
    if narrowed:
        return tuple(narrowed)
    try:
        return (ACCOUNT.joinpath("namespace").read_text().strip(),)
    except OSError:
        return ("default",)


def is_narrowed(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the skill has rights in its own namespaces and nowhere else."""
    return bool(environment.get("SKILL_NAMESPACES", "").strip(" ,"))


def kind_word(kind: str) -> str:
    """``pods``, ``deployment``, ``deployments.apps``. Raises BadArguments."""
    return _checked(_KIND, "kind", kind, "such as pods, deployments or ingresses.networking.k8s.io")


def name_word(name: str, argument: str = "name") -> str:
    return _checked(_NAME, argument, name, "the name of one object, as k8s_get lists it")


def namespace_flag(namespace: str) -> str:
    """``--namespace=…``; for an empty one that of the skill."""
    chosen = namespace or own_namespaces()[0]
    return f"--namespace={_checked(_NAMESPACE, 'namespace', chosen, 'such as payments')}"


def selector_flags(selector: str) -> list[str]:
    return [f"--selector={_checked(_SELECTOR, 'selector', selector, 'such as app=web,tier!=cache')}"] if selector else []


def since_flags(since: str) -> list[str]:
    return [f"--since={_checked(_SINCE, 'since', since, 'such as 90s, 15m or 2h')}"] if since else []


def target_word(kind: str, name: str) -> str:
    """``deployment/web``."""
    return f"{kind_word(kind)}/{name_word(name)}"


def _checked(pattern: re.Pattern[str], argument: str, value: str, good: str) -> str:
    if not pattern.fullmatch(value):
        raise BadArguments(f"the argument {argument!r} is {value[:100]!r}; give {good}")
    return value


_HINTS: tuple[tuple[str, str], ...] = (
    ("(Forbidden)", "This run has no right to do that; do not try to get around it. {where}"),
    ("is forbidden", "This run has no right to do that; do not try to get around it. {where}"),
    ("(NotFound)", "List what there is, without a name, or look in another namespace. {where}"),
    (
        "doesn't have a resource type",
        "Kinds are named in the plural, with their group where it is not obvious: deployments.apps.",
    ),
    ("Metrics API not available", "This cluster has no metrics-server: use requests and limits, restarts and events instead."),
    ("previous terminated container", "The container has not ended before: read its current log, without previous."),
    ("a container name must be specified", "Give one of these containers."),
    ("is waiting to start", "It has no log yet: look at its events."),
    ("(Conflict)", "Somebody else owns these fields or has just changed the object: read it again before you write."),
    ("Unauthorized", "The rights of this run have ended with it."),
    ("the server was unable to return a response", "The API server is busy: try again, or ask for less."),
)


def explained(done: Finished, words: tuple[str, ...], timeout: float) -> str:
    """What a model is told of a call that failed."""
    if done.timed_out:
        return f"kubectl {words[0]} took longer than {timeout:g} s and was ended; ask for less, such as one namespace or one object"
    said = (done.stderr.strip() or done.stdout.strip() or f"kubectl {words[0]} ended with {done.exit_code}")[-2000:]
    where = f"Its own namespaces are: {', '.join(own_namespaces())}."
    hint = next((hint for sign, hint in _HINTS if sign in said), "")
    return f"{said}\n{hint.format(where=where)}".rstrip()


@dataclass(frozen=True)
class Log:
    """Which part of which container's log."""

    pod: str
    namespace: str = ""
    container: str = ""
    previous: bool = False
    lines: int = 100
    since: str = ""


LOG_LINES = 2_000
_GONE = "unable to retrieve container logs"


def log_lines(kubectl: Kubectl, log: Log) -> list[str]:
    """The end of a container's log. Raises BadArguments or KubectlFailed."""
    if not 1 <= log.lines <= LOG_LINES:
        raise BadArguments(f"the argument 'lines' is {log.lines}; give 1 to {LOG_LINES}")
    words = ["logs", name_word(log.pod, "pod"), namespace_flag(log.namespace), f"--tail={log.lines}", *since_flags(log.since)]
    words += [f"--container={name_word(log.container, 'container')}"] if log.container else []
    words += ["--previous"] if log.previous else []
    found = kubectl(*words).splitlines()
    if found and found[0].startswith(_GONE):
        raise KubectlFailed(
            "the node no longer has this log: a container that has just ended counts as the current one, so read it without previous"
        )
    return found


def objects(kubectl: Kubectl, *words: str) -> list[Mapping[str, Any]]:
    """The items of a list, or the one object. Raises KubectlFailed, also for more than `MOST`."""
    done = kubectl.run(*words, "--output=json")
    if done.exit_code or done.timed_out:
        raise KubectlFailed(explained(done, words, TIMEOUT))
    if done.truncated:
        raise KubectlFailed(
            "there are too many of these to read at once; ask for one namespace, with a selector, or for one object"
        )
    found = json.loads(done.stdout)
    return list(found["items"]) if "items" in found else [found]
