from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from sympozium_core.bus.appending import serve_appends
from sympozium_core.bus.callout import BusUser, Callout
from sympozium_core.bus.jetstream import JetStreamBus
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.users import SYSTEM_INBOX
from sympozium_core.testing.nats_installation import NatsInstallation


class Pods:
    """What the control plane knows: which token is which pod's."""

    def __init__(self) -> None:
        self.users: dict[str, BusUser] = {}
        self.asked = 0

    def add(self, token: str, uid: str, pod: str, *, seconds: float = 600.0) -> None:
        self.users[token] = BusUser(uid=uid, pod=pod, expires=time.time() + seconds)

    async def authenticate(self, token: str) -> BusUser | None:
        self.asked += 1
        return self.users.get(token)


@pytest.fixture
def uid() -> str:
    """A run of this test's own."""
    return f"u{secrets.token_hex(6)}"


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits for what another process does."""

    async def until(true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not await true():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    return until


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsInstallation]:
    installation = NatsInstallation(tmp_path_factory.mktemp("nats"))
    installation.start()
    yield installation
    installation.stop()


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
async def controller(installation: NatsInstallation) -> AsyncIterator[JetStreamBus]:
    bus = await installation.controller()
    yield bus
    await bus.purge("sympozium.run.*.*")
    await bus.close()


@pytest.fixture
async def gateway(installation: NatsInstallation, controller: JetStreamBus) -> AsyncIterator[JetStreamBus]:
    """A gateway's connection, on which appends of runs are served."""
    bus = await installation.gateway()
    server = await serve_appends(bus)
    yield bus
    await server.close()
    await bus.close()


@pytest.fixture
async def callout(installation: NatsInstallation, controller: JetStreamBus, pods: Pods) -> AsyncIterator[Callout]:
    callout = await installation.callout(controller, pods.authenticate)
    yield callout
    await callout.close()


@pytest.fixture
async def system(installation: NatsInstallation) -> AsyncIterator[NatsConnection]:
    connection = await NatsConnection.open(installation.login("system"), inbox_prefix=SYSTEM_INBOX)
    yield connection
    await connection.close()
