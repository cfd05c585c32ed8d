"""Pod Security ``restricted`` as https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it, and what we ask beyond."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def violations(pod: dict[str, Any]) -> list[str]:
    """Of a pod's spec; empty when it is admitted anywhere."""
    return [
        *_of_pod(pod),
        *(f"{container['name']}: {what}" for container in _containers(pod) for what in _of_container(pod, container)),
    ]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", []):
        if not (volume.keys() - {"name"}) <= VOLUMES:
            yield f"volume {volume['name']}"
    context = pod.get("securityContext", {})
    if context.get("sysctls") or context.get("windowsOptions"):
        yield "sysctls"
    if context.get("supplementalGroups") and 0 in context["supplementalGroups"]:
        yield "group 0"
    if pod.get("automountServiceAccountToken") is None:
        yield "automountServiceAccountToken is left to others"
    if pod.get("automountServiceAccountToken") and not pod.get("serviceAccountName"):
        yield "the token of the default account"


def _of_container(pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    both = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    own = container.get("securityContext", {})
    if own.get("privileged") or own.get("procMount", "Default") != "Default":
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
        yield "capabilities"
    if both.get("runAsNonRoot") is not True or not both.get("runAsUser"):
        yield "runs as root"
    if both.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "seccomp"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "its root can be written"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "hostPort"
    limits = container.get("resources", {}).get("limits", {})
    if missing := {"cpu", "memory", "ephemeral-storage"} - limits.keys():
        yield f"no limit of {', '.join(sorted(missing))}"
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container and "httpGet" not in container[probe]:
            yield f"{probe} starts a process"
