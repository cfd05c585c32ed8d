from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.remote import RemoteBus
from sympozium_core.embedded.bus.server import BusServer
from sympozium_core.testing.assignments import Assignments


@pytest.fixture
async def assignments() -> Assignments:
    assignments = Assignments()
    assignments.assign("pod-1", "run-1")
    return assignments


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EmbeddedBus]:
    bus = await EmbeddedBus.open(tmp_path / "bus")
    yield bus
    await bus.close()


@pytest.fixture
async def server(bus: EmbeddedBus, tmp_path: Path, assignments: Assignments) -> AsyncIterator[BusServer]:
    server = BusServer(bus, tmp_path / "bus.sock", assignments.authenticate)
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def remote(server: BusServer) -> AsyncIterator[RemoteBus]:
    remote = await RemoteBus.connect(server.address, "right", "pod-1")
    yield remote
    await remote.close()
