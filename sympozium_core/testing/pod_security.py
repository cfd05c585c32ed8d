"""Whether a pod is one that Pod Security ``restricted`` admits, and is held to what Sympozium holds its own to beyond that. For tests of what is rendered.

The rules: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (restricted, as of Kubernetes 1.36).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")


def restricted_violations(spec: Mapping[str, Any]) -> list[str]:
    """Of a pod's spec; empty when there is none. Every setting must be said: a default that holds today is no promise."""
    return [*_of_pod(spec), *(fault for container in containers(spec) for fault in _of_container(container))]


def containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for group in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(group) or ()]


def _of_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    context = spec.get("securityContext") or {}
    if context.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot is not true"
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        if not isinstance(context.get(field), int) or context[field] <= 0:
            yield f"securityContext.{field} is {context.get(field)!r}, not a number above 0"
    if (context.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "securityContext.seccompProfile is not RuntimeDefault"
    for field in ("sysctls", "seLinuxOptions", "appArmorProfile", "windowsOptions", "supplementalGroups"):
        if context.get(field):
            yield f"securityContext.{field} is set"
    for field in _HOST:
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes") or ():
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES or len(kinds) != 1:
            yield f"volume {volume.get('name')} is of kind {', '.join(sorted(kinds)) or 'nothing'}"


def _of_container(container: Mapping[str, Any]) -> Iterator[str]:
    name = container.get("name")
    context = container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{name}: readOnlyRootFilesystem is not true"
    capabilities = context.get("capabilities") or {}
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield f"{name}: capabilities are {capabilities!r}"
    if context.get("privileged") or context.get("procMount") not in (None, "Default"):
        yield f"{name}: privileged, or a procMount of its own"
    if context.get("runAsNonRoot") is False or context.get("runAsUser", 1) == 0:
        yield f"{name}: runs as root"
    if any("hostPort" in port for port in container.get("ports") or ()):
        yield f"{name}: has a hostPort"
    limits = (container.get("resources") or {}).get("limits") or {}
    for resource in ("cpu", "memory", "ephemeral-storage"):
        if not limits.get(resource):
            yield f"{name}: no limit of {resource}"
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2]
    if "@" not in tag and (":" not in tag or tag.endswith(":latest")):
        yield f"{name}: image {image!r} has no version"
