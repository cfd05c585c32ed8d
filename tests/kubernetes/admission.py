"""A webhook process that a real API server asks, in corners of the cluster of its own: nothing of it concerns namespaces that do not ask for it.

The objects are those of an installation, but for their names and the namespaces that they select. The process is the real one, with the
rights of the installation's account. In kubelet's place a function writes the Secret to the folder that a pod would have it mounted in.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any

from sympozium_core import names
from sympozium_core.clock import SystemClock
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.controllers.certificates.controller import Certificates, Plan
from sympozium_core.installation import rbac
from sympozium_core.installation.admission import policies, service, webhook_configurations
from sympozium_core.installation.options import Options, released_images
from tests.kubernetes.kubectl import Kubectl, eventually

NODE_ADDRESS = "10.244.0.1"
"""Where the API server reaches a process beside it: an endpoint may not be on the loopback interface."""
CRDS = Path(__file__).parents[2] / "deploy/crds"
REVIEWED, GUARDED = "sympozium.test/reviewed", "sympozium.test/guarded"
"""Labels of namespaces: the webhook reviews what is in them; the policies guard it."""

HOUR, DAY = 3600.0, 86400.0
ALICE, BOB = "--as=alice", "--as=bob"

Object = dict[str, Any]


class PastClock(SystemClock):
    """So many seconds ago."""

    def __init__(self, ago: float) -> None:
        self._ago = ago

    def now(self) -> float:
        return super().now() - self._ago


def free_port() -> int:
    with socket() as listener:
        listener.bind((NODE_ADDRESS, 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Webhook:
    """One webhook process and what belongs to it."""

    kubectl: Kubectl
    folder: Path
    id: str = field(default_factory=lambda: secrets.token_hex(4))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.system = f"admission-{self.id}"
        self.plan = Plan(self.system, webhooks=f"sympozium-{self.id}")
        self.options = Options("0.0.0", released_images("0.0.0"), namespace=self.system)
        self.port, self.health_port = free_port(), free_port()
        self.certificates = self.folder / "tls"
        self.controller = f"system:serviceaccount:{self.system}:{names.ACCOUNT_CONTROLLER}"

    # What an installation applies.

    def install(self) -> None:
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        self.kubectl("create", "namespace", self.system)
        self.kubectl.apply(*map(self._scoped, rbac.accounts(self.options, ["webhook", "controller"])))
        self.kubectl.apply(*self._endpoint())
        self.make_certificates()
        self.start()
        self.kubectl.apply(*map(self._scoped, webhook_configurations(self.options, service(self.options))))
        self.kubectl.apply(*map(self._scoped, policies(self.options)))
        self.trust()

    def remove(self) -> None:
        self.stop()
        kinds = "mutatingwebhookconfiguration,validatingwebhookconfiguration,validatingadmissionpolicy,validatingadmissionpolicybinding"
        self.kubectl("delete", f"{kinds},clusterrole,clusterrolebinding", "-l", f"sympozium.test/id={self.id}")
        self.kubectl("delete", "namespace", self.system, "--wait=false")

    def _scoped(self, obj: Object) -> Object:
        found = copy.deepcopy(obj)
        found["metadata"].setdefault("labels", {})["sympozium.test/id"] = self.id
        if "namespace" in found["metadata"]:
            return found
        found["metadata"]["name"] += f"-{self.id}"
        for rule in found.get("rules", []):
            if rule.get("resourceNames") == [names.WEBHOOKS]:
                rule["resourceNames"] = [self.plan.webhooks]
        if found.get("roleRef", {}).get("kind") == "ClusterRole":
            found["roleRef"]["name"] += f"-{self.id}"
        for webhook in found.get("webhooks", []):
            webhook["namespaceSelector"] = {"matchLabels": {REVIEWED: self.id}}
        spec = found.get("spec", {})
        if "policyName" in spec:
            spec["policyName"] += f"-{self.id}"
        if "matchConstraints" in spec:
            spec["matchConstraints"]["namespaceSelector"] = {"matchLabels": {GUARDED: self.id}}
        return found

    def _endpoint(self) -> list[Object]:
        """The installation's Service, with this process behind it instead of pods."""
        name, label = names.SERVICE_WEBHOOK, {"kubernetes.io/service-name": names.SERVICE_WEBHOOK}
        return [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": self.system},
                "spec": {"ports": [{"name": "https", "port": 443, "targetPort": self.port}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-1", "namespace": self.system, "labels": label},
                "addressType": "IPv4",
                "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
                "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": True}}],
            },
        ]

    def account(self, component: str) -> Kubectl:
        """kubectl as one of the control plane's accounts; its kubeconfig serves the process too."""
        token = self.kubectl("create", "token", f"sympozium-{component}", "-n", self.system, "--duration=1h").strip()
        return self.kubectl.with_token(token, self.folder / f"{component}.kubeconfig")

    # Certificates, as the controller keeps them.

    def ensure(self, *, ago: float = 0.0) -> None:
        """As the controller would have done it so many seconds ago."""

        async def once(client: ClusterClient) -> None:
            await Certificates(client, self.plan, PastClock(ago)).ensure()

        self.as_controller(once)

    def make_certificates(self) -> None:
        """An authority that will have a successor in an hour, and a certificate that is past two thirds of its life: good, and due."""
        self.ensure(ago=4 * 365 * DAY - HOUR)
        self.trust()
        self.mount()

    def trust(self) -> None:
        """After configurations were applied: they are told whom to trust."""
        self.ensure(ago=61 * DAY)

    def as_controller(self, work: Any) -> None:
        kubeconfig = self.account("controller").kubeconfig

        async def connected() -> None:
            client = ClusterClient.from_kubeconfig(kubeconfig)
            try:
                await work(client)
            finally:
                await client.close()

        _run(connected())

    def mount(self) -> bytes:
        """Writes the Secret where the process looks, all files at once. Returns the certificate."""
        data = self.kubectl.get("secret", names.SECRET_WEBHOOK_TLS, "-n", self.system)["data"]
        version = self.certificates / f"..{secrets.token_hex(4)}"
        version.mkdir(parents=True)
        for key, value in data.items():
            (version / key).write_bytes(base64.b64decode(value))
            link = self.certificates / key
            if not link.is_symlink():
                link.symlink_to(f"..data/{key}")
        (self.certificates / "..data_new").symlink_to(version.name)
        (self.certificates / "..data_new").rename(self.certificates / "..data")
        return base64.b64decode(data["tls.crt"])

    # The process.

    def start(self) -> None:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.account("webhook").kubeconfig),
            names.ENV_WEBHOOK_PORT: str(self.port),
            names.ENV_HEALTH_PORT: str(self.health_port),
            names.ENV_CERTIFICATE_DIR: str(self.certificates),
            names.ENV_NAMESPACE: self.system,
            names.ENV_DATA_DIR: str(self.folder / "data"),
        }
        log = (self.folder / "webhook.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sympozium_core.processes", "webhook"], env=environment, stderr=log
        )
        log.close()
        eventually(self._is_ready, "the webhook process is ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with suppress(OSError), urllib.request.urlopen(f"http://{NODE_ADDRESS}:{self.health_port}/readyz", timeout=2):
            return True
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code, self.process = self.process.wait(30), None
        return code

    @property
    def log(self) -> str:
        return (self.folder / "webhook.log").read_text()


def _run(work: Coroutine[Any, Any, None]) -> None:
    """In a loop of its own: a test that is no coroutine has none, one that is has another."""
    failed: list[BaseException] = []

    def inner() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=inner)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@contextmanager
def served_webhook(kubectl: Kubectl, folder: Path) -> Iterator[Webhook]:
    webhook = Webhook(kubectl, folder)
    try:
        webhook.install()
        yield webhook
    finally:
        webhook.remove()
        shutil.rmtree(folder, ignore_errors=True)


NUMBERS = itertools.count()
NewNamespace = Callable[..., Kubectl]


@contextmanager
def tenants(kubectl: Kubectl, webhook: Webhook) -> Iterator[NewNamespace]:
    """Makes namespaces that are `REVIEWED`, `GUARDED`, both or neither, in which alice and bob may write everything of ours."""
    made: list[str] = []

    def make(*which: str) -> Kubectl:
        name = f"tenant-{webhook.id}-{next(NUMBERS)}"
        kubectl("create", "namespace", name)
        made.append(name)
        kubectl("label", "namespace", name, *(f"{label}={webhook.id}" for label in ("sympozium.test/id", *which)))
        tenant = kubectl.within(name)
        everything = ["--verb=get,list,create,update,patch,delete", "--resource=*.sympozium.ai,agentruns.sympozium.ai/status"]
        tenant("create", "role", "writer", *everything)
        tenant("create", "rolebinding", "writer", "--role=writer", "--user=alice", "--user=bob")
        _await_rules(tenant, which)
        return tenant

    yield make
    for name in made:
        kubectl("delete", "namespace", name, "--wait=false")


def _await_rules(tenant: Kubectl, which: tuple[str, ...]) -> None:
    """Configurations and labels reach an API server's caches a moment after they were written."""

    def said() -> str:
        return tenant.call("create", "--dry-run=server", "-f", "-", stdin=json.dumps(run("probe", instanceRef="nobody"))).stderr

    words = "no SympoziumInstance" if REVIEWED in which else "requestedBy is not whoever" if GUARDED in which else ""
    if words:
        eventually(lambda: words in said(), f"{words} is said")


def resource(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def instance(name: str = "agent", **spec: Any) -> Object:
    return resource(
        "SympoziumInstance", name, {"provider": {"name": "openai", "model": "gpt-4o"}, "policy": "permissive", **spec}
    )


def run(name: str = "run", **spec: Any) -> Object:
    return resource("AgentRun", name, {"instanceRef": "agent", "task": "Do it.", **spec})


def write(kubectl: Kubectl, obj: Object, *flags: str) -> str:
    return kubectl("apply", "-f", "-", *flags, stdin=json.dumps(obj))


def refused(kubectl: Kubectl, obj: Object, *flags: str) -> str:
    return kubectl.refused("apply", "-f", "-", *flags, stdin=json.dumps(obj))


def patch(kind: str, name: str, change: Any, *flags: str, type: str = "merge") -> tuple[str, ...]:
    return ("patch", kind, name, f"--type={type}", "-p", json.dumps(change), *flags)
