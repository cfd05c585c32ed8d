"""Pods on a cluster: the bus users of their bridges, and the sandbox driver that starts them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from sympozium_core.bus.callout import Callout
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nkeys import Kind, load
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.sandbox import Sandbox, SandboxContext
from sympozium_core.controllers.agentrun.context import INDEX_POD
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.processes.pod_identity import PodIdentities
from sympozium_core.processes.sandboxes import SandboxChoice
from sympozium_core.reconcile.following import follower
from sympozium_core.reconcile.informer import Informer
from sympozium_core.settings import ControllerProcessSettings

log = logging.getLogger(__name__)


class ClusterPods:
    """Implements `processes.pods.PodHost`."""

    def __init__(
        self, cluster: ClusterClient, bus: Bus, plans: Plans, choice: SandboxChoice, settings: ControllerProcessSettings
    ) -> None:
        self._cluster, self._bus, self._plans, self._choice, self._settings = cluster, bus, plans, choice, settings

    @asynccontextmanager
    async def open(self, runs: Informer, changed: Callable[[str], None]) -> AsyncIterator[Sandbox]:
        settings = self._settings
        _, driver = await self._choice.choose()
        identities = PodIdentities(self._cluster, self._plans, runs, settings.controller.deadline_grace)
        control = Login(settings.bus.address, ca_file=settings.bus.ca_file, seed_file=settings.bus.seed_file)
        system = replace(control, seed_file=settings.system_seed_file)
        key = load(settings.account_seed_file, Kind.ACCOUNT)
        self._callout = await Callout.open(system, control, self._bus, key, identities.authenticate)
        self._driver = driver
        try:
            await driver.open(self._context(runs, changed))
            try:
                yield driver
            finally:
                await driver.close()
        finally:
            await self._callout.close()

    def _context(self, runs: Informer, changed: Callable[[str], None]) -> SandboxContext:
        def namespace_of(pod: str) -> str:
            return next((str(run["metadata"]["namespace"]) for run in runs.cache.by_index(INDEX_POD, pod)), "")

        bus = self._settings.bus
        return SandboxContext(
            data_dir=self._settings.data_dir,
            bus_address=bus.address,
            bridge_credential=lambda pod: "",  # its projected token is what proves a pod
            changed=changed,
            cluster=self._cluster,
            follow=follower(self._cluster),
            bus_ca=bus.ca_file.read_text() if bus.ca_file is not None else "",
            namespace_of=namespace_of,
        )

    async def revoke(self, pod: str) -> None:
        await self._callout.revoke(pod)

    async def sweep(self, runs: Informer) -> None:
        for pod in await self._driver.pods():
            if not runs.cache.by_index(INDEX_POD, pod):
                log.info("removing pod %s, which belongs to no run", pod)
                await self._driver.remove(pod)
