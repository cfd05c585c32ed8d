"""Local pods: the bus socket on which their bridges arrive, their credentials, and the sandbox driver that starts them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sympozium_core.contracts.sandbox import Sandbox, SandboxContext
from sympozium_core.controllers.agentrun.context import INDEX_POD
from sympozium_core.errors import SympoziumError
from sympozium_core.processes.pod_tokens import PodTokens, load_key
from sympozium_core.processes.sandboxes import SandboxChoice
from sympozium_core.reconcile.informer import Informer

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from sympozium_core.embedded.bus.local import EmbeddedBus

MEMORY = "memory"
"""Folder of the data directory with the memories of instances."""

log = logging.getLogger(__name__)


class PodHost(Protocol):
    """Where pods run: this machine here, a cluster elsewhere."""

    def open(self, runs: Informer, changed: Callable[[str], None]) -> AbstractAsyncContextManager[Sandbox]: ...

    async def revoke(self, pod: str) -> None:
        """Ends the pod's bus user at once."""

    async def sweep(self, runs: Informer) -> None:
        """Removes what is left of pods that no run knows."""


class LocalPods:
    def __init__(
        self,
        bus: EmbeddedBus,
        socket: Path,
        data_dir: Path,
        choice: SandboxChoice,
        bridge_command: tuple[str, ...],
        secret: Callable[[str, str], Awaitable[Mapping[str, bytes]]],
    ) -> None:
        self._bridge_command, self._secret = bridge_command, secret
        self._bus, self._socket, self._data_dir, self._choice = bus, socket, data_dir, choice
        self._revoked: set[str] = set()

    @asynccontextmanager
    async def open(self, runs: Informer, changed: Callable[[str], None]) -> AsyncIterator[Sandbox]:
        from sympozium_core.embedded.bus.server import BusServer

        async def authenticate(token: str, pod: str) -> str | None:
            return None if pod in self._revoked else await tokens.authenticate(token, pod)

        name, driver = await self._choice.choose()
        self._server = BusServer(self._bus, self._socket, authenticate)
        tokens = PodTokens(load_key(self._data_dir), runs)
        await self._server.start()
        own = self._data_dir / "pods" / name
        own.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._name, self._driver = name, driver
        try:
            await driver.open(
                SandboxContext(
                    own,
                    self._server.address,
                    tokens.token,
                    changed,
                    secret=self._secret,
                    memory_dir=self._data_dir / MEMORY,
                    bridge_command=self._bridge_command,
                )
            )
            try:
                yield driver
            finally:
                await driver.close()
        finally:
            await self._server.close()

    async def revoke(self, pod: str) -> None:
        self._revoked.add(pod)
        await self._server.revoke(pod)

    async def sweep(self, runs: Informer) -> None:
        for pod in await self._driver.pods():
            if not runs.cache.by_index(INDEX_POD, pod):
                log.info("removing pod %s, which belongs to no run", pod)
                await self._driver.remove(pod)
        for folder in sorted((self._data_dir / "pods").iterdir()):
            if folder.name != self._name and any(entry.is_dir() for entry in folder.iterdir()):
                await self._sweep_other(folder, runs)

    async def _sweep_other(self, folder: Path, runs: Informer) -> None:
        """What is left of the time when this directory was served with another driver: none of it can go on; what users keep stays."""
        try:
            driver = await self._choice.other(folder.name)
            await driver.open(SandboxContext(folder, self._server.address, lambda pod: "", lambda pod: None))
        except SympoziumError as error:
            log.warning("pods of sandbox %s are left in %s: %s", folder.name, folder, error)
            return
        try:
            for pod in await driver.pods():
                if not any(run["spec"].get("cleanup") == "keep" for run in runs.cache.by_index(INDEX_POD, pod)):
                    await driver.remove(pod)
        finally:
            await driver.close()
