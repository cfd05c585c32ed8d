"""The containers of a pod: the agent, or the hook, is the one that it is for; bridge and skills are native sidecars, which start before it and
end after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.cluster import Object
from sympozium_core.contracts.plan import Container, PodPlan, Resources
from sympozium_core.ipc.layout import MODEL_PORT
from sympozium_core.ipc.watch import ENV_POLLING
from sympozium_sandbox_kubernetes import security, volumes
from sympozium_sandbox_kubernetes.checks import MAIN, image_of
from sympozium_sandbox_kubernetes.network import Bus
from sympozium_sandbox_kubernetes.settings import Settings

_MI = 1024 * 1024
_BRIDGE = Resources(cpu=1.0, memory=384 * _MI)
"""Whatever the plan says: it is ours, and holds an attempt's artifacts in memory on their way."""
_DISK: Mapping[str, str] = {"agent": "3Gi", "bridge": "512Mi", "skill": "1Gi", "hook": "1Gi"}
"""Ephemeral storage. The pod's is their sum, and holds workspace, temporary files and logs."""
_CPU_SHARE, _MEMORY_SHARE = 10, 4
"""What part of its limit is set aside for a container: an agent mostly waits for its model."""


def rendered(pod_id: str, plan: PodPlan, bus: Bus, settings: Settings) -> Object:
    """Part of the pod's spec."""
    main = next(each for each in plan.containers if each.role in MAIN)
    sidecars = [each for each in plan.containers if each is not main]
    # The first to start is the last to stop: without its bridge a pod has nobody to hand its result to.
    sidecars.sort(key=lambda each: each.role != "bridge")
    spec: Object = {"containers": [_container(pod_id, main, plan, bus, settings)]}
    if sidecars:
        spec["initContainers"] = [
            {**_container(pod_id, each, plan, bus, settings), "restartPolicy": "Always"} for each in sidecars
        ]
    return spec


def _container(pod_id: str, container: Container, plan: PodPlan, bus: Bus, settings: Settings) -> Object:
    found: Object = {
        "name": container.name,
        "image": image_of(container, settings),
        "imagePullPolicy": settings.pull_policy,
        "env": [*_variables(pod_id, container, plan, bus)],
        "resources": _resources(container),
        "securityContext": security.of_container(container.host),
        # What its status says of a failure: the end of what it wrote, 2 KiB at most.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": volumes.mounts(container, plan),
    }
    if container.command:
        found["command"] = [_literal(word) for word in container.command]
    if container.args:
        found["args"] = [_literal(word) for word in container.args]
    if container.role == "hook":
        # Kept by the kubelet when the container ends, so that what a hook says needs nobody in its pod to carry it.
        found["terminationMessagePath"] = volumes.SKIP
    if container.role in MAIN or not container.image:
        found["workingDir"] = volumes.WORKSPACE if container.workspace else volumes.TMP
    return found


def _variables(pod_id: str, container: Container, plan: PodPlan, bus: Bus) -> Iterator[Object]:
    for name, value in _environment(pod_id, container, plan, bus).items():
        yield {"name": name, "value": _literal(value)}
    for name, source in container.secret_env.items():
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": source.secret, "key": source.key}}}


def _environment(pod_id: str, container: Container, plan: PodPlan, bus: Bus) -> dict[str, str]:
    """Paths and markers. Of an agent's pod nothing of its run is here: it may be started before its run is known."""
    own = {
        "HOME": volumes.TMP,
        "TMPDIR": volumes.TMP,
        "PYTHONDONTWRITEBYTECODE": "1",
        names.ENV_POD: pod_id,
        names.ENV_CONTAINER: container.name,
    }
    if plan.runtime_class:  # its inotify may be there and tell nothing of what other containers do, as gVisor's does
        own[ENV_POLLING] = "1"
    if container.role == "bridge":
        own |= {
            names.ENV_VOLUMES: volumes.BRIDGE_VOLUMES,
            names.ENV_SKILLS: volumes.SKILLS,
            names.ENV_CREDENTIALS: volumes.BRIDGE_CREDENTIALS,
            names.ENV_MODEL_LISTEN: f"127.0.0.1:{MODEL_PORT}",
            names.ENV_BUS_ADDRESS: bus.url,
            names.ENV_BUS_TOKEN_FILE: f"{volumes.BRIDGE_BUS}/token",
        }
        if bus.authority:
            own[names.ENV_BUS_CA_FILE] = f"{volumes.BRIDGE_BUS}/ca.crt"
    return {**container.env, **own}


def _resources(container: Container) -> Object:
    wanted = _BRIDGE if container.role == "bridge" else container.resources
    cpu, memory = max(1, round(wanted.cpu * 1000)), wanted.memory
    disk = _DISK[container.role]
    return {
        "limits": {"cpu": f"{cpu}m", "memory": str(memory), "ephemeral-storage": disk},
        "requests": {
            "cpu": f"{max(1, cpu // _CPU_SHARE)}m",
            "memory": str(max(1, memory // _MEMORY_SHARE)),
            "ephemeral-storage": "16Mi",
        },
    }


def _literal(value: Any) -> str:
    """Kubernetes would put the value of a variable in the place of ``$(NAME)``; ``$$`` stands for one dollar."""
    return str(value).replace("$", "$$")
