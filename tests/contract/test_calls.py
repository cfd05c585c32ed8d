"""Framed calls over each bus: in process, over the Unix socket as a run's own user, and over a real nats-server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.contracts.bus import Bus
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.testing.calls import CallContract
from sympozium_core.testing.nats_server import NatsServer


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
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


class TestJetStream(CallContract):
    @pytest.fixture
    def uid(self) -> str:
        return f"u{secrets.token_hex(6)}"

    @pytest.fixture
    async def serving(self, server: NatsServer) -> AsyncIterator[Bus]:
        bus = await JetStreamBus.connect(server.url)
        yield bus
        await bus.close()

    @pytest.fixture
    async def caller(self, server: NatsServer, uid: str) -> AsyncIterator[Bus]:
        bus = await JetStreamBus.connect(server.url, inbox_prefix=f"_INBOX.{uid}")
        yield bus
        await bus.close()
