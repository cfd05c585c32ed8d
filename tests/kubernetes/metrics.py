"""A real metrics-server on the node: its binary in an image of nothing else, with the rights that its own manifests ask for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine import images
from tests.kubernetes.machine.archives import Settings, make_layer, write_image
from tests.kubernetes.machine.build import build
from tests.kubernetes.machine.layout import Layout

IMAGE, NAME, HOME = "localhost/metrics-server:1", "metrics-server", "kube-system"
PORT = 10250
_RBAC = "rbac.authorization.k8s.io"
_SUBJECTS = [{"kind": "ServiceAccount", "name": NAME, "namespace": HOME}]
_AUTHORITY = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
ARGUMENTS = (
    *(
        "--cert-dir=/tmp",
        f"--secure-port={PORT}",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
    ),
    *("--metric-resolution=10s", "--kubelet-request-timeout=5s", f"--kubelet-certificate-authority={_AUTHORITY}"),
)


def _named(api: str, kind: str, name: str, namespace: str = "", **rest: Any) -> dict[str, Any]:
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **rest}


def _bound(kind: str, name: str, role: str, namespace: str = "") -> dict[str, Any]:
    what = {"apiGroup": _RBAC, "kind": kind.removesuffix("Binding"), "name": role}
    return _named(f"{_RBAC}/v1", kind, name, namespace, roleRef=what, subjects=_SUBJECTS)


def _deployment() -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "args": list(ARGUMENTS),
        "ports": [{"name": "https", "containerPort": PORT}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "https", "scheme": "HTTPS"},
            "periodSeconds": 1,
            "failureThreshold": 60,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "serviceAccountName": NAME,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "terminationGracePeriodSeconds": 1,
    }
    labels = {"k8s-app": NAME}
    return {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}


def _objects() -> list[dict[str, Any]]:
    rules = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]
    service = {"selector": {"k8s-app": NAME}, "ports": [{"port": 443, "targetPort": "https"}]}
    served = {
        "service": {"name": NAME, "namespace": HOME},
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    return [
        _named("v1", "ServiceAccount", NAME, HOME),
        _named(f"{_RBAC}/v1", "ClusterRole", f"system:{NAME}", rules=rules),
        _bound("ClusterRoleBinding", f"system:{NAME}", f"system:{NAME}"),
        _bound("ClusterRoleBinding", f"{NAME}:system:auth-delegator", "system:auth-delegator"),
        _bound("RoleBinding", f"{NAME}-auth-reader", "extension-apiserver-authentication-reader", HOME),
        _named("v1", "Service", NAME, HOME, spec=service),
        _named("apps/v1", "Deployment", NAME, HOME, spec=_deployment()),
        _named("apiregistration.k8s.io/v1", "APIService", "v1beta1.metrics.k8s.io", spec=served),
    ]


@contextmanager
def metrics_server(kubectl: Kubectl, cluster: Layout) -> Iterator[None]:
    """It is there while the block lasts; it has figures of a pod once that is some tens of seconds old."""
    binary = build({NAME})[NAME]
    with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
        layer = make_layer({f"/{NAME}": binary}, Path(temporary, "layer"))
        settings = Settings(entrypoint=[f"/{NAME}"], user="1000:1000")
        images.load(cluster, write_image(Path(temporary, "image.tar"), IMAGE, [layer], settings))
    objects = _objects()
    kubectl.apply(*objects)
    try:
        kubectl.wait("condition=Available", "apiservice/v1beta1.metrics.k8s.io", 90)
        eventually(lambda: kubectl.call("top", "nodes").returncode == 0, "the node has figures", 60)
        yield
    finally:
        for each in objects:
            where = kubectl.within(each["metadata"].get("namespace", ""))
            where("delete", each["kind"].lower(), each["metadata"]["name"], "--wait=false", "--ignore-not-found")
