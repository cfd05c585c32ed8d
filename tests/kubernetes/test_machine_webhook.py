"""The API server reaches a webhook that runs as a Pod behind a Service, as production has it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.kubernetes.kubectl import Kubectl, eventually
from tests.kubernetes.machine.system import call
from tests.kubernetes.manifests import Object, container, pod, pod_spec, service

PROGRAM = Path(__file__).parent / "webhook.py"


def certificate(folder: Path, name: str) -> bytes:
    """Makes a certificate that is its own authority; key and certificate lie in the folder."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(folder / "tls.key")]
    call(
        "openssl",
        "req",
        "-x509",
        *key,
        "-subj",
        "/CN=hook",
        "-addext",
        f"subjectAltName=DNS:{name}",
        "-out",
        str(folder / "tls.crt"),
    )
    return (folder / "tls.crt").read_bytes()


def test_a_webhook_behind_a_service_is_asked_and_missed_when_it_is_gone(
    here: Kubectl, kubectl: Kubectl, namespace: str, python_image: str, tmp_path: Path
) -> None:
    authority = base64.b64encode(certificate(tmp_path, f"hook.{namespace}.svc")).decode()
    here("create", "secret", "tls", "tls", f"--cert={tmp_path / 'tls.crt'}", f"--key={tmp_path / 'tls.key'}")
    here("create", "configmap", "program", f"--from-file={PROGRAM}")
    mounts = [{"name": "tls", "mountPath": "/tls"}, {"name": "program", "mountPath": "/program"}]
    volumes = [{"name": "tls", "secret": {"secretName": "tls"}}, {"name": "program", "configMap": {"name": "program"}}]
    probe = {"tcpSocket": {"port": 8443}, "periodSeconds": 1}
    serves = container(python_image, ["python3", "/program/webhook.py"], volumeMounts=mounts, readinessProbe=probe)
    here.apply(pod("hook", pod_spec(serves, volumes=volumes), {"app": "hook"}), service("hook", 443, 8443))
    here.wait("condition=Ready", "pod/hook")
    webhook = {
        "name": "hook.example.com",
        "clientConfig": {"service": {"name": "hook", "namespace": namespace, "path": "/"}, "caBundle": authority},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **{"failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2},
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    kubectl.apply({**kind, "metadata": {"name": namespace}, "webhooks": [webhook]})
    try:
        blocked: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "blocked", "labels": {"block": "yes"}}}
        probe_call = ("apply", "--dry-run=server", "--namespace", namespace, "-f", "-")
        eventually(
            lambda: "blocked by the webhook" in _said(kubectl, probe_call, blocked), "the webhook is asked through its Service"
        )
        here("create", "configmap", "passes")
        here("delete", "pod", "hook")
        eventually(lambda: "failed calling webhook" in _said(kubectl, probe_call, blocked), "the API server misses the webhook")
    finally:
        kubectl("delete", "validatingwebhookconfiguration", namespace)


def _said(kubectl: Kubectl, command: tuple[str, ...], content: Object) -> str:
    return kubectl.call(*command, stdin=json.dumps(content)).stderr
