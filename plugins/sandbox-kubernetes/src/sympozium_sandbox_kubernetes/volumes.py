"""The volumes of a pod and who sees which: one `/ipc` for each container that only the bridge shares, one `/tmp` each, the rest as asked for."""

from __future__ import annotations

import hashlib
from typing import Final

from sympozium_core import names
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.ipc.layout import CONTROL_SKIP

IPC, WORKSPACE, TMP, SKILLS = "/ipc", "/workspace", "/tmp", "/skills"
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where every Kubernetes client looks for its token."""
BRIDGE_VOLUMES, BRIDGE_CREDENTIALS, BRIDGE_BUS = "/volumes", "/credentials", "/var/run/sympozium"
"""The bridge's own: folders with one folder a container, and its token for the bus."""
SKIP: Final = f"{IPC}/{CONTROL_SKIP}"
"""Where a hook says why its run is to end; a file of the kubelet's."""
_ROOT_CA = "kube-root-ca.crt"
"""The ConfigMap in every namespace by which pods know the API server."""
_ACCOUNT_TOKEN_SECONDS = 3600
"""The kubelet renews it in time; it ends with the pod anyway."""

_IPC_SIZE = "128Mi"
"""In memory, and counted as memory of the container that writes. An attempt's artifacts are 64 MiB at most."""
_WORKSPACE_SIZE = "2Gi"
_TMP_SIZE = "256Mi"
_SKILLS_SIZE = "16Mi"
_TOKEN_SIZE = "1Mi"
_BUS_TOKEN_SECONDS = 3600
_READABLE = 0o440
"""For the group of the pod, which is that of every process in it."""


def volumes(plan: PodPlan) -> list[Object]:
    """Of the whole pod."""
    found: list[Object] = []
    bridged = _has_bridge(plan)
    for container in plan.containers:
        found.append(_empty(_named("tmp", container), _TMP_SIZE))
        if container.role != "bridge":
            found.append(_empty(_named("ipc", container), _IPC_SIZE, memory=True))
        if container.kubernetes:
            name = _named("token", container)
            found.append(_account(name) if plan.account else _empty(name, _TOKEN_SIZE, memory=True))
        if container.secret:
            secret = {"secretName": container.secret, "defaultMode": _READABLE}
            found.append({"name": _named("secret", container), "secret": secret})
        for number, mount in enumerate(container.host.mounts if container.host else ()):
            found.append({"name": _named(f"host{number}", container), "hostPath": {"path": mount.host_path}})
        if container.code:
            archive = {"name": container.code_volume, "defaultMode": _READABLE}
            found.append({"name": _named("code", container), "configMap": archive})
    if any(container.memory for container in plan.containers):
        found.append({"name": "memory", "persistentVolumeClaim": {"claimName": plan.memory}})
    if any(container.workspace for container in plan.containers):
        found.append(_workspace(plan.workspace_claim))
    if bridged or any(container.skills for container in plan.containers):
        found.append(_empty("skills", _SKILLS_SIZE))
    if bridged:
        found.append(_bus())
    return found


def mounts(container: Container, plan: PodPlan) -> list[Object]:
    """Of one container."""
    if container.role == "bridge":
        return _bridge_mounts(container, plan)
    found = [_mount(_named("ipc", container), IPC), _mount(_named("tmp", container), TMP)]
    if container.workspace:
        found.append(_mount("workspace", WORKSPACE))
    if container.skills:
        found.append(_mount("skills", SKILLS, read_only=True))
    if container.kubernetes:
        found.append(_mount(_named("token", container), ACCOUNT, read_only=True))
    if container.secret:
        found.append(_mount(_named("secret", container), container.secret_path, read_only=True))
    if container.memory:
        found.append(_mount("memory", names.MEMORY_FOLDER))
    for number, mount in enumerate(container.host.mounts if container.host else ()):
        found.append(_mount(_named(f"host{number}", container), mount.mount_path, read_only=mount.read_only))
    if container.code:
        found.append(_mount(_named("code", container), names.CODE_FOLDER, read_only=True))
    return found


def _bridge_mounts(bridge: Container, plan: PodPlan) -> list[Object]:
    found = [_mount(_named("tmp", bridge), TMP), _mount("skills", SKILLS), _mount("bus", BRIDGE_BUS, read_only=True)]
    for container in plan.containers:
        if container.role != "bridge":
            found.append(_mount(_named("ipc", container), f"{BRIDGE_VOLUMES}/{container.name}"))
        if container.kubernetes:
            found.append(_mount(_named("token", container), f"{BRIDGE_CREDENTIALS}/{container.name}"))
    return found


def _bus() -> Object:
    """Rotated by the kubelet. The token says which pod it was made for and is good for the bus alone."""
    token = {"audience": names.BUS_AUDIENCE, "path": "token", "expirationSeconds": _BUS_TOKEN_SECONDS}
    authority = {"path": "ca.crt", "fieldRef": {"fieldPath": f"metadata.annotations['{names.ANNOTATION_BUS_CA}']"}}
    sources = [{"serviceAccountToken": token}, {"downwardAPI": {"items": [authority]}}]
    return {"name": "bus", "projected": {"defaultMode": _READABLE, "sources": sources}}


def _account(name: str) -> Object:
    """As Kubernetes mounts an account's token by itself, and bound to the pod like that; but into one container alone."""
    token = {"path": "token", "expirationSeconds": _ACCOUNT_TOKEN_SECONDS}
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": token},
        {"configMap": {"name": _ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"defaultMode": _READABLE, "sources": sources}}


def _workspace(claim: str) -> Object:
    if not claim:
        return _empty("workspace", _WORKSPACE_SIZE)
    return {"name": "workspace", "persistentVolumeClaim": {"claimName": claim}}


def _empty(name: str, size: str, *, memory: bool = False) -> Object:
    return {"name": name, "emptyDir": {"sizeLimit": size, **({"medium": "Memory"} if memory else {})}}


def _mount(volume: str, path: str, *, read_only: bool = False) -> Object:
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def _named(kind: str, container: Container) -> str:
    """A DNS label: a long container name is cut and told apart by its digest."""
    name = f"{kind}-{container.name}"
    if len(name) <= 63:
        return name
    return f"{name[:54].rstrip('-')}-{hashlib.sha256(container.name.encode()).hexdigest()[:8]}"


def _has_bridge(plan: PodPlan) -> bool:
    return any(container.role == "bridge" for container in plan.containers)
