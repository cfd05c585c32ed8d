"""An MCPServer that is run on a cluster, as Kubernetes objects: Deployment, Service, and a NetworkPolicy that lets gateways in and nobody else. Pure.

One that speaks on its standard streams is in a container that is started by its image's shell, with two named pipes in their place; beside it an
adapter serves over HTTP what goes through them. So any image with ``/bin/sh`` will do, and nothing is put into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympozium_core import names
from sympozium_core.contracts import pod_security
from sympozium_core.contracts.builtin_kinds import DEPLOYMENT, NETWORK_POLICY, SERVICE
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.contracts.plan import digest
from sympozium_core.planning.factory import label_value
from sympozium_core.planning.mcp import service_name
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources.kinds import MCP_SERVER

PIPES = "/pipes"
START = 'while [ ! -p /pipes/in ]; do sleep 0.1; done; exec "$@" </pipes/in >/pipes/out'
"""Waits for the adapter, whose pipes they are; the server takes the shell's place."""
_GATEWAY = {"app.kubernetes.io/name": "sympozium", "app.kubernetes.io/component": "gateway"}
_RESOURCES: Mapping[str, Any] = {
    "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
    "limits": {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "1Gi"},
}


@dataclass(frozen=True)
class Adapter:
    image: str
    module: str
    pull_policy: str = "IfNotPresent"


def workload(server: View, adapter: Adapter, home: str) -> list[tuple[ResourceType, Object]]:
    """In the order in which they are made: nobody reaches a server before its NetworkPolicy is there. `home` is the gateways' namespace."""
    return [
        (NETWORK_POLICY, _made(NETWORK_POLICY, server, _network_policy(server, home))),
        (SERVICE, _made(SERVICE, server, _service(server))),
        (DEPLOYMENT, _made(DEPLOYMENT, server, _deployment(server, adapter))),
    ]


def labels(server: View) -> dict[str, str]:
    return {
        names.LABEL_COMPONENT: names.COMPONENT_MCP_SERVER,
        names.LABEL_MCP_SERVER: label_value(server["metadata"]["name"]),
    }


def made_of(obj: Mapping[str, Any]) -> str:
    """What an object was made of, as it says itself."""
    return str((obj["metadata"].get("annotations") or {}).get(names.ANNOTATION_MADE_OF))


def _made(kind: ResourceType, server: View, spec: Object) -> Object:
    meta = {
        "name": service_name(server["metadata"]["name"]),
        "namespace": server["metadata"]["namespace"],
        "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY, **labels(server)},
        "annotations": {names.ANNOTATION_MADE_OF: digest(spec)},
        "ownerReferences": [owner_reference(MCP_SERVER, server, block=False)],
    }
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": spec}


def _port(server: View) -> int:
    return int(server["spec"]["deployment"].get("port") or 8080)


def _network_policy(server: View, home: str) -> Object:
    """Who asks are gateways. Where the server itself goes is not said: its own service may be anywhere."""
    gateways = {
        "namespaceSelector": {"matchLabels": {names.LABEL_NAMESPACE_NAME: home}},
        "podSelector": {"matchLabels": _GATEWAY},
    }
    ingress = [{"from": [gateways], "ports": [{"port": _port(server), "protocol": "TCP"}]}]
    return {"podSelector": {"matchLabels": labels(server)}, "policyTypes": ["Ingress"], "ingress": ingress}


def _service(server: View) -> Object:
    """A session belongs to one pod."""
    return {
        "selector": labels(server),
        "ports": [{"name": "http", "port": _port(server), "targetPort": _port(server), "protocol": "TCP"}],
        "sessionAffinity": "ClientIP",
    }


def _deployment(server: View, adapter: Adapter) -> Object:
    spec = server["spec"]
    return {
        "replicas": 0 if spec.get("suspended") else spec.get("replicas", 1),
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": labels(server)},
        "template": {"metadata": {"labels": labels(server)}, "spec": _pod(server, adapter)},
    }


def _pod(server: View, adapter: Adapter) -> Object:
    spec = server["spec"]
    stdio, account = spec["transportType"] == "stdio", spec["deployment"].get("serviceAccountName")
    pod: Object = {
        "automountServiceAccountToken": bool(account),
        "enableServiceLinks": False,
        "securityContext": pod_security.of_pod(),
        "containers": [_server(server)],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}}],
    }
    if account:
        pod["serviceAccountName"] = account
    if stdio:
        pod["initContainers"] = [_adapter(server, adapter)]
        pod["volumes"] += [
            {"name": "pipes", "emptyDir": {"sizeLimit": "1Mi"}},
            {"name": "adapter-tmp", "emptyDir": {"sizeLimit": "16Mi"}},
        ]
    return pod


def _server(server: View) -> Object:
    deployment, stdio = server["spec"]["deployment"], server["spec"]["transportType"] == "stdio"
    env = {"HOME": "/tmp", "TMPDIR": "/tmp", **(deployment.get("env") or {})}
    found: Object = {
        "name": "server",
        "image": deployment["image"],
        "env": [{"name": name, "value": value.replace("$", "$$")} for name, value in env.items()],
        "envFrom": [{"secretRef": {"name": each["name"]}} for each in deployment.get("secretRefs") or []],
        "resources": deployment.get("resources") or dict(_RESOURCES),
        "securityContext": pod_security.of_container(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    words = [word.replace("$", "$$") for word in (*filter(None, [deployment.get("cmd")]), *(deployment.get("args") or []))]
    if stdio:
        found["command"] = ["/bin/sh", "-c", START.replace("$", "$$"), "sh", *words]
        found["volumeMounts"].append({"name": "pipes", "mountPath": PIPES})
        return found
    if deployment.get("cmd"):
        found["command"], words = words[:1], words[1:]
    if words:
        found["args"] = words
    return {**found, **_listening(server)}


def _adapter(server: View, adapter: Adapter) -> Object:
    """A native sidecar: there before the server, which it outlives when that is started again."""
    listen = ["--listen", str(_port(server)), "--input", f"{PIPES}/out", "--output", f"{PIPES}/in"]
    return {
        "name": "adapter",
        "image": adapter.image,
        "imagePullPolicy": adapter.pull_policy,
        "restartPolicy": "Always",
        "command": ["python3", "-P", "-m", adapter.module, *listen],
        "env": [{"name": "HOME", "value": "/tmp"}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "workingDir": "/tmp",
        "resources": dict(_RESOURCES),
        "securityContext": pod_security.of_container(),
        "volumeMounts": [{"name": "adapter-tmp", "mountPath": "/tmp"}, {"name": "pipes", "mountPath": PIPES}],
        **_listening(server),
    }


def _listening(server: View) -> Object:
    return {
        "ports": [{"name": "http", "containerPort": _port(server), "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": _port(server)}, "periodSeconds": 2, "failureThreshold": 3},
    }
