"""Settings of the processes: one frozen class, each field with its reason. Read from the environment and the command line only here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from sympozium_core import names
from sympozium_core.errors import Permanent


def default_data_dir() -> Path:
    """Where the embedded control plane keeps its state: ``$SYMPOZIUM_DATA_DIR``, else the user's data folder (XDG base directories)."""
    chosen = os.environ.get(names.ENV_DATA_DIR)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share").absolute() / "sympozium"


def default_context() -> str:
    """The kubeconfig context that commands speak to (``$SYMPOZIUM_CONTEXT``); empty for the control plane on this machine."""
    return os.environ.get(names.ENV_CONTEXT, "")


@dataclass(frozen=True)
class ControllerSettings:
    max_concurrent_runs: int = 20
    """Runs at once over all instances; more wait in Queued. Each is three small processes when embedded."""
    max_run_history: int = 50
    """Finished runs kept per instance; the oldest beyond are deleted with their journal."""
    warm_pods: int = 0
    """Started pods that wait for a run, for each of the plans used last: a run that finds one starts in a tenth of a second."""
    stop_grace: float = 5.0
    """Seconds in which a cancelled pod may still write its result."""
    deadline_grace: float = 15.0
    """Seconds after a run's deadline in which its bridge may end it; then the controller does."""
    orphan_grace: float = 2.0
    """Seconds that a bridge gets to hand over a result after the agent has ended."""


@dataclass(frozen=True)
class EmbeddedSettings:
    data_dir: Path = field(default_factory=default_data_dir)
    sandbox: str = ""
    """Sandbox driver for every run; empty chooses the one that promises most among those usable here."""
    controller: ControllerSettings = ControllerSettings()

    @property
    def api_socket(self) -> Path:
        return self.data_dir / "api.sock"

    @property
    def bus_socket(self) -> Path:
        return self.data_dir / "bus.sock"


@dataclass(frozen=True)
class BusSettings:
    """How a process of the control plane reaches NATS."""

    address: str
    """``tls://host:4222``, or ``nats://`` without TLS for a test."""
    seed_file: Path
    """The process's own nkey seed: it is a user of its own, with rights of its own."""
    ca_file: Path | None = None
    """The authority that signed the server's certificate; None for the system's."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> BusSettings:
        """Raises Permanent for a variable that is missing."""
        ca_file = environment.get(names.ENV_BUS_CA_FILE)
        return cls(
            address=_needed(environment, names.ENV_BUS_ADDRESS),
            seed_file=Path(_needed(environment, names.ENV_BUS_SEED_FILE)),
            ca_file=Path(ca_file) if ca_file else None,
        )


@dataclass(frozen=True)
class GatewaySettings:
    """A gateway on a cluster."""

    bus: BusSettings
    health_port: int = 8081
    data_dir: Path = Path("/tmp/sympozium")
    """What providers keep between calls; lost with the pod."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> GatewaySettings:
        """Raises Permanent for a variable that is missing or no number."""
        return cls(
            bus=BusSettings.from_environment(environment),
            health_port=_number(environment, names.ENV_HEALTH_PORT, cls.health_port),
            data_dir=Path(environment.get(names.ENV_DATA_DIR) or cls.data_dir),
        )


@dataclass(frozen=True)
class ControllerProcessSettings:
    """A controller on a cluster."""

    bus: BusSettings
    account_seed_file: Path
    """Seed of the account key that signs the users of runs."""
    system_seed_file: Path
    """Seed of the user of NATS's system account, which may end a connection."""
    namespace: str = names.SYSTEM_NAMESPACE
    """Where the control plane lives."""
    sandbox: str = "kubernetes"
    health_port: int = 8081
    data_dir: Path = GatewaySettings.data_dir
    ca_secret: str = ""
    """A Secret of cert-manager's in `namespace`, whose ``ca.crt`` signs for the webhook; empty: the controller is the authority itself."""
    controller: ControllerSettings = ControllerSettings(max_concurrent_runs=1000)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ControllerProcessSettings:
        """Raises Permanent for a variable that is missing or no number."""
        limits = cls.controller
        return cls(
            bus=BusSettings.from_environment(environment),
            account_seed_file=Path(_needed(environment, names.ENV_ACCOUNT_SEED_FILE)),
            system_seed_file=Path(_needed(environment, names.ENV_SYSTEM_SEED_FILE)),
            namespace=environment.get(names.ENV_NAMESPACE) or cls.namespace,
            sandbox=environment.get(names.ENV_SANDBOX) or cls.sandbox,
            health_port=_number(environment, names.ENV_HEALTH_PORT, cls.health_port),
            data_dir=Path(environment.get(names.ENV_DATA_DIR) or cls.data_dir),
            ca_secret=environment.get(names.ENV_CA_SECRET, cls.ca_secret),
            controller=replace(
                limits,
                max_concurrent_runs=_number(environment, names.ENV_MAX_CONCURRENT_RUNS, limits.max_concurrent_runs),
                max_run_history=_number(environment, names.ENV_MAX_RUN_HISTORY, limits.max_run_history),
            ),
        )


@dataclass(frozen=True)
class WebhookSettings:
    """A webhook on a cluster."""

    port: int = 9443
    certificate_dir: Path = Path("/etc/sympozium/tls")
    """With ``tls.crt`` and ``tls.key``; read again when they change."""
    namespace: str = names.SYSTEM_NAMESPACE
    """Where the control plane lives, whose controller writes status."""
    sandbox: str = "kubernetes"
    health_port: int = 8081
    data_dir: Path = GatewaySettings.data_dir

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> WebhookSettings:
        """Raises Permanent for a variable that is no number."""
        return cls(
            port=_number(environment, names.ENV_WEBHOOK_PORT, cls.port),
            certificate_dir=Path(environment.get(names.ENV_CERTIFICATE_DIR) or cls.certificate_dir),
            namespace=environment.get(names.ENV_NAMESPACE) or cls.namespace,
            sandbox=environment.get(names.ENV_SANDBOX) or cls.sandbox,
            health_port=_number(environment, names.ENV_HEALTH_PORT, cls.health_port),
            data_dir=Path(environment.get(names.ENV_DATA_DIR) or cls.data_dir),
        )


@dataclass(frozen=True)
class BootstrapSettings:
    """The Job that makes the first keys and certificates."""

    namespace: str = names.SYSTEM_NAMESPACE
    bus_keys: bool = False
    """Whether to make the keys of the bus; an operator who brings a bus brings them too."""
    ca_secret: str = ""
    """As in `ControllerProcessSettings`: cert-manager makes the certificates."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> BootstrapSettings:
        return cls(
            namespace=environment.get(names.ENV_NAMESPACE) or cls.namespace,
            bus_keys=environment.get(names.ENV_BUS_KEYS) == "make",
            ca_secret=environment.get(names.ENV_CA_SECRET, cls.ca_secret),
        )


def _needed(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise Permanent(f"{name} is not set", hint="the Deployment that `sympozium install` makes sets it")
    return value


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not 1 <= len(text) <= 6:
        raise Permanent(f"{name}={text[:40]!r} is not a whole number", hint=f"write it like {default}")
    return int(text)
