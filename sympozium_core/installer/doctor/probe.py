"""Tries whether NetworkPolicies hold, by pods: one listens, one may speak, one may not."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from sympozium_core import names
from sympozium_core.contracts import pod_security
from sympozium_core.contracts.builtin_kinds import NAMESPACE, NETWORK_POLICY, POD
from sympozium_core.contracts.cluster import Forbidden, Object
from sympozium_core.errors import Permanent
from sympozium_core.installation.namespace import POD_SECURITY
from sympozium_core.installer import diagnosis
from sympozium_core.installer.doctor.findings import Subject

PORT = 8080
LISTENER = "listener"
TRY_SECONDS = 8
WITHIN = 120.0
LOOK_AGAIN = 0.5
_LISTEN = f"import http.server; http.server.HTTPServer(('', {PORT}), http.server.BaseHTTPRequestHandler).serve_forever()"
_SPEAK = f"""\
import socket, sys, time
end = time.monotonic() + {TRY_SECONDS}
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], {PORT}), 2).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.2)
sys.exit(1)
"""


async def is_enforced(subject: Subject) -> bool:
    """In a namespace of its own, which goes afterwards. Raises Permanent when the pods do not run, or cannot speak at all."""
    home = f"sympozium-doctor-{secrets.token_hex(3)}"
    labels = {names.LABEL_PART_OF: names.MANAGED_BY, **POD_SECURITY}
    await subject.cluster.create(NAMESPACE, {"metadata": {"name": home, "labels": labels}})
    try:
        await subject.cluster.create(NETWORK_POLICY, _policy(home))
        await _start(subject, home, LISTENER, [_LISTEN])
        address = await _address(subject, home)
        for name in ("open", "shut"):
            await _start(subject, home, name, [_SPEAK, address])
        outcomes = {name: await _outcome(subject, home, name) for name in ("open", "shut")}
    finally:
        await subject.cluster.delete(NAMESPACE, None, home)
    if outcomes["open"]:
        raise Permanent("pods of one namespace do not reach each other here, so it cannot be told whether policies hold")
    return bool(outcomes["shut"])


def _policy(home: str) -> Object:
    spec = {"podSelector": {"matchLabels": {"probe": "shut"}}, "policyTypes": ["Egress"]}
    return {"metadata": {"name": "shut", "namespace": home}, "spec": spec}


async def _start(subject: Subject, home: str, name: str, arguments: list[str]) -> None:
    """The default ServiceAccount of a new namespace takes a moment."""
    container: Object = {
        "name": "probe",
        **({"readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1}} if name == LISTENER else {}),
        "image": subject.options.images.runner,
        "imagePullPolicy": subject.options.images.pull_policy,
        "command": ["python3", "-c", *arguments],
        "securityContext": pod_security.of_container(),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": pod_security.of_pod(),
        "containers": [container],
    }
    pod = {"metadata": {"name": name, "namespace": home, "labels": {"probe": name}}, "spec": spec}
    deadline = time.monotonic() + WITHIN
    while True:
        try:
            await subject.cluster.create(POD, pod)
            return
        except Forbidden as error:
            if "serviceaccount" not in error.message or time.monotonic() > deadline:
                raise
        await asyncio.sleep(LOOK_AGAIN)


async def _address(subject: Subject, home: str) -> str:
    pod = await _until(subject, home, LISTENER, _is_ready)
    return str(pod["status"]["podIP"])


async def _outcome(subject: Subject, home: str, name: str) -> int:
    """Exit code: 0 when it reached the listener."""
    pod = await _until(subject, home, name, _has_ended)
    return int(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"])


def _is_ready(status: Object) -> bool:
    return any(each.get("ready") for each in status.get("containerStatuses") or ())


def _has_ended(status: Object) -> bool:
    return status.get("phase") in ("Succeeded", "Failed")


async def _until(subject: Subject, home: str, name: str, holds: Callable[[Object], bool]) -> Object:
    deadline = time.monotonic() + WITHIN
    while True:
        pod = await subject.cluster.get(POD, home, name)
        if holds(pod.get("status") or {}):
            return pod
        if time.monotonic() > deadline:
            why = "; ".join(diagnosis.pod_reasons(pod)) or "it is not known why"
            raise Permanent(f"the probe's pod {name} did not run in {WITHIN:.0f} s: {why}")
        await asyncio.sleep(LOOK_AGAIN)
