"""What an operator can choose about an installation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sympozium_core.errors import Cause, Refused
from sympozium_core.names import SYSTEM_NAMESPACE
from sympozium_core.resources.faults import Fault
from sympozium_core.resources.quantities import amount

REGISTRY = "ghcr.io/sympozium-ai"
API_SERVER_PORTS = (443, 6443)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_IMAGE = re.compile(
    r"[a-z0-9][A-Za-z0-9._-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_URL = re.compile(r"(tls|nats)://[A-Za-z0-9.\[\]:-]+")


@dataclass(frozen=True)
class Images:
    """One for every process of the control plane, one for runner and bridge, one for Python skill sidecars, and the bus."""

    control_plane: str
    runner: str
    skill: str
    nats: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the control plane's namespace. Pods of runs live elsewhere: an instance names its own."""


def released_images(version: str, registry: str = REGISTRY) -> Images:
    """Those of a release; never ``latest``."""

    def image(name: str) -> str:
        return f"{registry}/sympozium-{name}:{version}"

    return Images(image("control-plane"), image("runner"), image("skill"), image("nats"))


@dataclass(frozen=True)
class Size:
    """What one pod asks for and may use, as Kubernetes quantities."""

    cpu: str
    memory: str
    memory_limit: str
    cpu_limit: str = "4"


@dataclass(frozen=True)
class Options:
    version: str
    """Of Sympozium; stamped on every object."""
    images: Images
    namespace: str = SYSTEM_NAMESPACE
    controller_replicas: int = 2
    """One works, the others stand by."""
    controller: Size = Size("100m", "256Mi", "2Gi")
    gateway_replicas: int = 2
    gateway_max_replicas: int = 10
    """Above `gateway_replicas`, a HorizontalPodAutoscaler adds some under load; equal to it, there is none. So with the webhook."""
    gateway: Size = Size("100m", "256Mi", "1Gi")
    webhook_replicas: int = 2
    webhook_max_replicas: int = 6
    webhook: Size = Size("50m", "128Mi", "512Mi")
    nats_url: str = ""
    """A bus of the operator's own; empty installs one. Its keys are in the Secret `names.SECRET_BUS`, which the operator makes."""
    nats_ca: bool = False
    """That Secret also has the ``ca.crt`` that signed the server's certificate; without, it is one that the system trusts."""
    nats: Size = Size("100m", "256Mi", "2Gi")
    nats_storage_class: str = ""
    """Empty: the cluster's default."""
    nats_storage: str = "10Gi"
    nats_sync_always: bool = False
    """Write each message to the disk before it is acknowledged: nothing is lost with a node, at about half the rate."""
    cert_manager: bool = False
    """cert-manager makes and renews the certificates instead of the controller."""
    api_server_ports: tuple[int, ...] = API_SERVER_PORTS
    """Where the API server may listen, its Service's port included: what NetworkPolicies let the control plane reach."""
    max_concurrent_runs: int = 1000
    max_run_history: int = 50

    @property
    def own_bus(self) -> bool:
        """Whether the bus is part of the installation."""
        return not self.nats_url


def check(options: Options) -> None:
    """Raises Refused with everything that is wrong at once."""
    causes = [*_images(options), *_numbers(options), *_quantities(options)]
    if options.nats_url and not _URL.fullmatch(options.nats_url):
        causes.append(
            Cause(
                "nats_url", f"{options.nats_url[:80]!r} is no address of a NATS server", "such as tls://nats.example.com:4222"
            )
        )
    if causes:
        raise Refused(causes)


def _images(options: Options) -> Iterator[Cause]:
    for name in ("control_plane", "runner", "skill", "nats"):
        image, field = getattr(options.images, name), f"images.{name}"
        if not _IMAGE.fullmatch(image):
            yield Cause(field, f"{image[:200]!r} is no name of an image", "such as registry.example.com/sympozium-runner:1.0")
        elif "@" not in image and image.rpartition("/")[2].partition(":")[2] in ("", "latest"):
            hint = "give a tag other than latest, or a digest: nodes would run different ones"
            yield Cause(field, f"{image[:200]!r} names no version", hint)
    if options.images.pull_policy not in PULL_POLICIES:
        yield Cause("images.pull_policy", f"{options.images.pull_policy[:40]!r} is none", "one of " + ", ".join(PULL_POLICIES))


def _numbers(options: Options) -> Iterator[Cause]:
    for field in ("controller_replicas", "gateway_replicas", "webhook_replicas", "max_concurrent_runs", "max_run_history"):
        if getattr(options, field) < 1:
            yield Cause(field, f"{getattr(options, field)} is less than 1")
    for component in ("gateway", "webhook"):
        least, most = getattr(options, f"{component}_replicas"), getattr(options, f"{component}_max_replicas")
        if most < least:
            yield Cause(f"{component}_max_replicas", f"{most} is less than {component}_replicas, {least}", f"{least} or more")
    for port in options.api_server_ports:
        if not 0 < port < 65536:
            yield Cause("api_server_ports", f"{port} is no port")


LEAST_STORAGE = 10 * 1024**3
"""Bytes: the bus reserves 4 GiB for journals and 4 GiB for artifacts, and needs room to work."""


def _quantities(options: Options) -> Iterator[Cause]:
    sizes = {name: getattr(options, name) for name in ("controller", "gateway", "webhook", "nats")}
    given = {f"{name}.{field}": value for name, size in sizes.items() for field, value in vars(size).items()}
    for field, value in {**given, "nats_storage": options.nats_storage}.items():
        try:
            bytes_or_cores = amount(value)
        except Fault as fault:
            yield Cause(field, str(fault), fault.hint)
            continue
        if field == "nats_storage" and bytes_or_cores < LEAST_STORAGE:
            yield Cause(field, f"{value} is too little: the bus reserves 8 GiB for journals and artifacts", "10Gi or more")
