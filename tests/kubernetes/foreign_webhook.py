"""Somebody else's mutating webhook, which comes after ours and writes what is none of its business."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sympozium_core.controllers.certificates.authority import advanced, issue
from tests.kubernetes.admission import NODE_ADDRESS, Webhook


@contextmanager
def served(webhook: Webhook, namespace: str, patch: list[dict[str, Any]]) -> Iterator[None]:
    """Answers each AgentRun that is created in the namespace with `patch`, a JSON patch."""

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            encoded = base64.b64encode(json.dumps(patch).encode()).decode()
            response = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}
            body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    now = datetime.now(UTC)
    authority = advanced(None, now)
    server = http.server.ThreadingHTTPServer((NODE_ADDRESS, 0), Hook)
    server.socket = _tls(issue(authority, (NODE_ADDRESS,), now)).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    name = f"zz-{webhook.id}"
    config = {
        "name": f"{name}.example.com",
        "clientConfig": {
            "url": f"https://{NODE_ADDRESS}:{server.server_port}/",
            "caBundle": base64.b64encode(authority.bundle).decode(),
        },
        "rules": [{"apiGroups": ["sympozium.ai"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["agentruns"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        **{"failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"]},
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    webhook.kubectl.apply({**kind, "metadata": {"name": name}, "webhooks": [config]})
    try:
        yield
    finally:
        webhook.kubectl("delete", "mutatingwebhookconfiguration", name)
        server.shutdown()
        thread.join()
        server.server_close()


def _tls(pair: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("tls.crt", pair.certificate), ("tls.key", pair.key)):
            (Path(folder) / name).write_bytes(content)
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    return context
