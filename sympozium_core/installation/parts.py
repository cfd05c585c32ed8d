"""What the objects of an installation have in common: metadata, and pods that Pod Security ``restricted`` admits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympozium_core import names
from sympozium_core.contracts import pod_security
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.installation.options import Options, Size

HEALTH_PORT = 8081
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_VERSION = "app.kubernetes.io/version"


def labels(options: Options, component: str) -> dict[str, str]:
    return {
        **selector(component),
        names.LABEL_PART_OF: names.MANAGED_BY,
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        LABEL_VERSION: options.version,
    }


def selector(component: str) -> dict[str, str]:
    """What finds a component's pods; never changes, a selector is immutable."""
    return {"app.kubernetes.io/name": "sympozium", LABEL_COMPONENT: component}


def make(options: Options, kind: ResourceType, name: str, component: str, body: Mapping[str, object]) -> Object:
    """An object; `body` is what stands beside apiVersion, kind and metadata."""
    metadata: Object = {"name": name, "labels": labels(options, component)}
    if kind.namespaced:
        metadata["namespace"] = options.namespace
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}


@dataclass(frozen=True)
class SecretFiles:
    """Some keys of a Secret as files in a folder, read-only."""

    secret: str
    folder: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Process:
    """A pod with one container, as much as differs between the components."""

    component: str
    image: str
    size: Size
    args: Sequence[str] = ()
    env: Sequence[Object] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    files: Sequence[SecretFiles] = ()
    volumes: Sequence[Object] = ()
    mounts: Sequence[Object] = ()
    service_account: str = ""
    """Empty: none, and no token."""
    probes: Mapping[str, Object] = field(default_factory=dict)
    """None for what runs to its end."""
    grace: int = 30
    """Seconds between SIGTERM and the end."""


def variables(values: Mapping[str, str]) -> list[Object]:
    """The environment of a container."""
    return [{"name": name, "value": value} for name, value in values.items()]


def pod_template(options: Options, process: Process) -> Object:
    """No root, no capabilities, a read-only root; /tmp is its own and small."""
    pod: Object = {
        "securityContext": pod_security.of_pod(),
        "automountServiceAccountToken": bool(process.service_account),
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": process.grace,
        "containers": [_container(options, process)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            *map(_secret_volume, process.files),
            *process.volumes,
        ],
    }
    if process.service_account:
        pod["serviceAccountName"] = process.service_account
    if options.images.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in options.images.pull_secrets]
    return {"metadata": {"labels": labels(options, process.component)}, "spec": pod}


def _secret_volume(files: SecretFiles) -> Object:
    items = [{"key": key, "path": key} for key in files.keys]
    return {"name": files.secret, "secret": {"secretName": files.secret, "defaultMode": 0o440, "items": items}}


def _container(options: Options, process: Process) -> Object:
    size = process.size
    return {
        "name": process.component,
        "image": process.image,
        "imagePullPolicy": options.images.pull_policy,
        "args": list(process.args),
        "env": list(process.env),
        "ports": [{"name": name, "containerPort": port} for name, port in process.ports.items()],
        "resources": {
            "requests": {"cpu": size.cpu, "memory": size.memory, "ephemeral-storage": "64Mi"},
            "limits": {"cpu": size.cpu_limit, "memory": size.memory_limit, "ephemeral-storage": "1Gi"},
        },
        "securityContext": pod_security.of_container(),
        **process.probes,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *({"name": files.secret, "mountPath": files.folder, "readOnly": True} for files in process.files),
            *process.mounts,
        ],
    }


def http_probes(port: int, *, ready: str = "/readyz", alive: str = "/healthz") -> dict[str, Object]:
    """Asked by the kubelet itself: nothing is started in the container. A start may take two minutes."""

    def probe(path: str, period: int, failures: int) -> Object:
        return {
            "httpGet": {"path": path, "port": port},
            "periodSeconds": period,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        }

    return {"startupProbe": probe(ready, 1, 120), "readinessProbe": probe(ready, 5, 3), "livenessProbe": probe(alive, 10, 6)}


def spread(component: str) -> Object:
    """On different nodes, as far as there are any."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(component)},
    }


def system_env(options: Options) -> dict[str, str]:
    """What every process of the control plane is told."""
    return {names.ENV_NAMESPACE: options.namespace, names.ENV_HEALTH_PORT: str(HEALTH_PORT)}
