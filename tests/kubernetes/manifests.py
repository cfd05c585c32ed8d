"""Objects that these tests apply, as short as they can be said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

LOCKED: Object = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
"""What Pod Security `restricted` asks of a container, and a root that cannot be written."""
UNPRIVILEGED: Object = {
    **{"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def container(image: str, command: list[str], name: str = "main", **more: object) -> Object:
    return {"name": name, "image": image, "command": command, "securityContext": LOCKED, **more}


def pod_spec(*containers: Object, **more: object) -> Object:
    return {
        **{"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "securityContext": UNPRIVILEGED},
        **{"automountServiceAccountToken": False, "containers": list(containers), **more},
    }


def pod(name: str, spec: Object, labels: Mapping[str, str] | None = None) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": dict(labels or {})}, "spec": spec}


def job(name: str, spec: Object, **more: object) -> Object:
    content = {"backoffLimit": 0, "template": {"spec": spec}, **more}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": content}


def service(name: str, port: int, target: int) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": port, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def policy(name: str, app: str, **directions: list[Object]) -> Object:
    """A NetworkPolicy for Pods of this app: `egress=[…]`, `ingress=[…]`; an empty list denies all."""
    types = [direction.capitalize() for direction in directions]
    spec = {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": types, **directions}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}
