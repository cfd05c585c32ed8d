"""What the gateway is handed: which model a run may ask, with whose key, and the open provider drivers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.plan import RunPlan
from sympozium_core.contracts.provider import Endpoint, Provider, ProviderContext
from sympozium_core.controllers.agentrun import attempts, plans
from sympozium_core.controllers.agentrun.context import INDEX_UID
from sympozium_core.controllers.agentrun.status import phase_of, status_of
from sympozium_core.errors import Permanent
from sympozium_core.gateway.target import ModelTarget
from sympozium_core.processes.directory import Directory
from sympozium_core.reconcile.informer import Informer
from sympozium_core.registry.drivers import Drivers

MAX_PLANS = 256
"""Plans that are kept in memory."""


class OpenProviders:
    """Opens each provider at its first use; implements `gateway.target.Providers`."""

    def __init__(self, drivers: Drivers[Provider], http: Any, data_dir: Path) -> None:
        self._drivers, self._http, self._data_dir = drivers, http, data_dir
        self._open: dict[str, asyncio.Task[Provider]] = {}

    async def get(self, name: str) -> Provider:
        """Raises UnknownDriver, PluginBroken or what the driver's `open` raises; a failed open is tried again next time."""
        task = self._open.get(name)
        if task is None:
            task = self._open[name] = asyncio.ensure_future(self._opened(name))
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done() and (task.cancelled() or task.exception() is not None):
                self._open.pop(name, None)
            raise

    async def _opened(self, name: str) -> Provider:
        provider = await asyncio.to_thread(self._drivers.get, name)
        await provider.open(ProviderContext(http=self._http, provider=self.get, data_dir=self._data_dir))
        return provider

    async def close(self) -> None:
        for task in self._open.values():
            if task.done() and not task.cancelled() and task.exception() is None:
                await task.result().close()


class Targets:
    """Finds the model of a run by the run's UID."""

    def __init__(self, runs: Informer, bus: Bus, directory: Directory) -> None:
        self._runs, self._bus, self._directory = runs, bus, directory
        self._plans: OrderedDict[str, RunPlan] = OrderedDict()

    async def resolve(self, uid: str) -> ModelTarget:
        """Raises Permanent for a run that is unknown or over, or whose Secret is missing."""
        run = next(iter(self._runs.cache.by_index(INDEX_UID, uid)), None)
        if run is None or phase_of(run) is not names.Phase.RUNNING:
            raise Permanent("this run is unknown or over", reason=names.Reason.MODEL_ERROR)
        plan = await self._plan(uid)
        model = plan.model
        credentials = await self._directory.credentials(plan.namespace, model.secret) if model.secret else {}
        return ModelTarget(
            provider=model.provider,
            endpoint=Endpoint(model=model.model, base_url=model.base_url.rstrip("/"), credentials=credentials),
            attempt=int(status_of(run)["attempt"]),
            deadline=attempts.deadline_of(run, plan.limits.timeout),
        )

    async def _plan(self, uid: str) -> RunPlan:
        """A run's plan never changes, and a run asks many times."""
        plan = self._plans.get(uid)
        if plan is None:
            plan = self._plans[uid] = await plans.load(self._bus, uid)
            while len(self._plans) > MAX_PLANS:
                self._plans.popitem(last=False)
        return plan
