"""The bus contract on both implementations: SQLite, and a real nats-server as it is installed, stopped and killed in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_stream import StreamLimits
from sympozium_core.contracts.bus import Bus, BusUnavailable
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.testing.bus import SMALL_BYTES, BusContract, FillLimits, Restart
from sympozium_core.testing.bus_journal import stored
from sympozium_core.testing.nats_installation import NatsInstallation
from sympozium_core.testing.nats_server import NatsServer


class TestEmbeddedBus(BusContract):
    @pytest.fixture
    async def opened(self) -> AsyncIterator[list[EmbeddedBus]]:
        """Every bus of the check, closed at its end."""
        buses: list[EmbeddedBus] = []
        yield buses
        for bus in buses:
            await bus.close()

    @pytest.fixture
    async def bus(self, tmp_path: Path, opened: list[EmbeddedBus]) -> Bus:
        opened.append(await EmbeddedBus.open(tmp_path))
        return opened[0]

    @pytest.fixture
    def restart(self, tmp_path: Path, opened: list[EmbeddedBus]) -> Restart:
        async def restart() -> Bus:
            await opened[-1].close()
            opened.append(await EmbeddedBus.open(tmp_path))
            return opened[-1]

        return restart

    @pytest.fixture
    def fill_limits(self, tmp_path: Path, opened: list[EmbeddedBus]) -> FillLimits:
        async def small() -> Bus:
            limits = BusLimits(max_bytes=SMALL_BYTES, max_artifact_bytes=SMALL_BYTES)
            opened.append(await EmbeddedBus.open(tmp_path / "small", limits=limits))
            return opened[-1]

        return small


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsInstallation]:
    server = NatsInstallation(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


class TestJetStreamBus(BusContract):
    """The controller's own user, over TLS."""

    @pytest.fixture
    async def bus(self, server: NatsInstallation) -> AsyncIterator[Bus]:
        bus = await server.controller()
        yield bus
        await bus.purge(subjects.journal("*"))
        await bus.close()

    @pytest.fixture(params=["stopped", "killed"])
    def how(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def remembers_acks(self, how: str) -> bool:
        return how == "stopped"

    @pytest.fixture
    def restart(self, how: str, server: NatsInstallation, bus: Bus) -> Restart:
        async def restart() -> Bus:
            server.restart(kill=how == "killed")
            await reconnected(bus)
            return bus

        return restart

    @pytest.fixture
    async def fill_limits(self, tmp_path: Path) -> AsyncIterator[FillLimits]:
        server = NatsServer(tmp_path / "small")
        opened: list[Bus] = []

        async def small() -> Bus:
            server.start()
            limits = StreamLimits(max_bytes=SMALL_BYTES, max_artifact_bytes=SMALL_BYTES)
            opened.append(await JetStreamBus.connect(server.url, ensure_stream=True, limits=limits))
            return opened[-1]

        yield small
        for bus in opened:
            await bus.close()
        server.stop()


async def reconnected(bus: Bus) -> None:
    """Until the stream answers again; nats-py comes back by itself."""
    for _ in range(200):
        try:
            await stored(bus, subjects.journal("nobody"))
            return
        except BusUnavailable:
            await asyncio.sleep(0.05)
    raise AssertionError("the bus has not come back")
