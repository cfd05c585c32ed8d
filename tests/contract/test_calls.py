"""Framed calls over each bus: in process, and as a run's own user over the Unix socket and over a real nats-server as it is installed."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.bus.callout import BusUser
from sympozium_core.contracts.bus import Bus
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.testing.calls import CallContract
from sympozium_core.testing.nats_installation import NatsInstallation


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = await EmbeddedBus.open(tmp_path)
    yield bus
    await bus.close()


class TestEmbedded(CallContract):
    @pytest.fixture
    def uid(self) -> str:
        return "run-1"

    @pytest.fixture
    def serving(self, embedded: EmbeddedBus) -> Bus:
        return embedded

    @pytest.fixture
    def caller(self, embedded: EmbeddedBus) -> Bus:
        return embedded


class TestRemote(CallContract):
    @pytest.fixture
    def uid(self) -> str:
        return "run-1"

    @pytest.fixture
    def serving(self, embedded: EmbeddedBus) -> Bus:
        return embedded

    @pytest.fixture
    async def caller(self, embedded: EmbeddedBus, tmp_path: Path, uid: str) -> AsyncIterator[Bus]:
        async def authenticate(token: str, pod: str) -> str | None:
            return uid if (token, pod) == ("token", "pod") else None

        server = BusServer(embedded, tmp_path / "bus.sock", authenticate)
        await server.start()
        bus = await RemoteBus.connect(server.address, "token", "pod")
        yield bus
        await bus.close()
        await server.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsInstallation]:
    installation = NatsInstallation(tmp_path_factory.mktemp("nats"))
    installation.start()
    yield installation
    installation.stop()


class TestJetStream(CallContract):
    """A run's own user calls the gateway's, neither of which may do more than that needs."""

    @pytest.fixture
    def uid(self) -> str:
        return f"u{secrets.token_hex(6)}"

    @pytest.fixture
    async def controller(self, installation: NatsInstallation) -> AsyncIterator[Bus]:
        bus = await installation.controller()
        yield bus
        await bus.close()

    @pytest.fixture
    async def serving(self, installation: NatsInstallation, controller: Bus) -> AsyncIterator[Bus]:
        bus = await installation.gateway()
        yield bus
        await bus.close()

    @pytest.fixture
    async def caller(self, installation: NatsInstallation, controller: Bus, uid: str) -> AsyncIterator[Bus]:
        async def authenticate(token: str) -> BusUser | None:
            return BusUser(uid=uid, pod=f"run-{uid}-1", expires=time.time() + 600) if token == "token" else None

        callout = await installation.callout(controller, authenticate)
        bus = await installation.pod(f"run-{uid}-1", "token")
        yield bus
        await bus.close()
        await callout.close()
