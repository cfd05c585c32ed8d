"""A real nats-server as an installation has it: our configuration, certificates of our own authority, users by nkey, and the auth callout."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sympozium_core.bus.callout import Authenticate, Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nats_stream import StreamLimits
from sympozium_core.bus.nkeys import KeyPair, Kind
from sympozium_core.bus.run_bus import RunBus
from sympozium_core.bus.server_config import Keys, ServerConfig, Tls, render
from sympozium_core.bus.users import GATEWAY_INBOX
from sympozium_core.contracts.bus import Bus
from sympozium_core.controllers.certificates.authority import advanced, issue
from sympozium_core.testing.nats_server import NatsServer

LIMITS = StreamLimits(max_bytes=256 * 1024**2, max_artifact_bytes=64 * 1024**2)


class NatsInstallation(NatsServer):
    """Seeds, tokens and certificates are files in the directory, under the names that `--nats-keys` looks for."""

    def __init__(self, directory: Path, *, host: str = "127.0.0.1") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._host = directory, host
        self.account = KeyPair.generate(Kind.ACCOUNT)
        self.users = {name: KeyPair.generate(Kind.USER) for name in ("system", "controller", "gateway")}
        for name, key in {**self.users, "account-signing": self.account}.items():
            self.seed_file(name).write_text(key.seed + "\n")
        self.ca_file = directory / "ca.crt"
        self.renew_certificate()
        self.settings = ServerConfig(
            keys=Keys(issuer=self.account.public, **{name: key.public for name, key in self.users.items()}),
            tls=Tls(str(directory / "tls.crt"), str(directory / "tls.key")),
            host=host,
            store_dir=str(directory / "store"),
            max_store_bytes=1024**3,
            monitor_port=0,
            ports_dir=str(directory),
        )
        super().__init__(directory, host=host, config=lambda port: render(replace(self.settings, port=port)))

    @property
    def url(self) -> str:
        name = "localhost" if self._host == "127.0.0.1" else self._host
        return f"{'tls' if self.settings.tls else 'nats'}://{name}:{self.port}"

    def seed_file(self, user: str) -> Path:
        return self._directory / f"{user}.seed"

    def renew_certificate(self) -> bytes:
        """A new authority and a certificate that it signed; returns the certificate."""
        now = datetime.now(UTC)
        authority = advanced(None, now)
        leaf = issue(authority, ["localhost", self._host], now)
        self.ca_file.write_bytes(authority.bundle)
        (self._directory / "tls.crt").write_bytes(leaf.certificate)
        (self._directory / "tls.key").write_bytes(leaf.key)
        return leaf.certificate

    def login(self, user: str) -> Login:
        return Login(self.url, ca_file=self.ca_file, seed_file=self.seed_file(user))

    async def controller(self, limits: StreamLimits = LIMITS) -> JetStreamBus:
        return await JetStreamBus.connect(
            self.url, ca_file=self.ca_file, seed_file=self.seed_file("controller"), ensure_stream=True, limits=limits
        )

    async def gateway(self) -> JetStreamBus:
        return await JetStreamBus.connect(
            self.url, ca_file=self.ca_file, seed_file=self.seed_file("gateway"), inbox_prefix=GATEWAY_INBOX
        )

    async def callout(self, bus: Bus, authenticate: Authenticate) -> Callout:
        return await Callout.open(self.login("system"), self.login("controller"), bus, self.account, authenticate)

    async def pod(self, pod: str, token: str, *, patience: float = 0.0) -> RunBus:
        """A bridge's connection."""
        return await RunBus.connect(
            self.url, pod=pod, token_file=self.token_file(pod, token), ca_file=self.ca_file, patience=patience
        )

    def token_file(self, pod: str, token: str) -> Path:
        file = self._directory / f"{pod}.token"
        file.write_text(token)
        return file
