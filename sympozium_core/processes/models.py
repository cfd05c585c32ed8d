"""What the gateway is handed: which model a run may ask, with whose key, and the open provider drivers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.clock import Clock
from sympozium_core.contracts.bus import Bus
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.provider import Endpoint, Provider, ProviderContext
from sympozium_core.controllers.agentrun import attempts
from sympozium_core.controllers.agentrun.context import INDEX_UID
from sympozium_core.controllers.agentrun.plans import Plans
from sympozium_core.controllers.agentrun.status import Stage, stage_of, status_of
from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.model import Gateway
from sympozium_core.gateway.target import ModelTarget
from sympozium_core.planning.limits import with_counts
from sympozium_core.processes.secrets import secret_values
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.informer import Informer
from sympozium_core.registry.drivers import Drivers

BEHIND = 3.0
"""Seconds for which a run that is not known here, or not to be that far, is waited for."""


@asynccontextmanager
async def answer_models(
    cluster: Cluster, bus: Bus, plans: Plans, runs: Informer, drivers: Drivers[Provider], data_dir: Path, clock: Clock
) -> AsyncIterator[None]:
    """Answers what runs ask of a gateway, until left."""
    import aiohttp

    session = aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, timeout=aiohttp.ClientTimeout(total=None)
    )
    async with session as http:
        providers = OpenProviders(drivers, http, data_dir)
        gateway = Gateway(bus, Targets(cluster, runs, plans).resolve, providers, clock)
        await gateway.start()
        try:
            yield
        finally:
            await gateway.close()
            await providers.close()


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

    def __init__(self, cluster: Cluster, runs: Informer, plans: Plans) -> None:
        self._cluster, self._runs, self._plans = cluster, runs, plans

    async def resolve(self, uid: str, attempt: int) -> ModelTarget:
        """Raises Permanent for a run that is unknown or over, or whose Secret is missing; Temporary while it is not known to be that far."""
        run = await self._run(uid, attempt)
        plan = await self._plans.load(uid)
        model = plan.model
        credentials = await secret_values(self._cluster, plan.namespace, model.secret) if model.secret else {}
        return ModelTarget(
            provider=model.provider,
            endpoint=Endpoint(model=model.model, base_url=model.base_url.rstrip("/"), credentials=credentials),
            attempt=int(status_of(run)["attempt"]),
            deadline=attempts.deadline_of(run, plan.limits.timeout),
            limits=with_counts(plan.limits, (status_of(run).get("effectivePolicy") or {}).get("limits") or {}),
        )

    async def _run(self, uid: str, attempt: int) -> View:
        """The run in this attempt or a later one. A bridge may be ahead of what a gateway of another process has seen of the run."""
        if (run := self._running(uid, attempt)) is not None:
            return run
        changed = asyncio.Event()
        forget = self._runs.on_change(lambda old, new: changed.set())
        try:
            async with asyncio.timeout(BEHIND):
                while (run := self._running(uid, attempt)) is None:
                    changed.clear()
                    await changed.wait()
                return run
        except TimeoutError:
            raise Temporary(f"attempt {attempt} of the run is not known here yet") from None
        finally:
            forget()

    def _running(self, uid: str, attempt: int) -> View | None:
        """None while it is not known to be that far. Raises Permanent for a run that is over."""
        run = next(iter(self._runs.cache.by_index(INDEX_UID, uid)), None)
        stage = stage_of(run) if run is not None else None
        if stage is Stage.ENDED:
            raise Permanent("this run is over", reason=names.Reason.MODEL_ERROR)
        known = run is not None and stage is Stage.PLACED and int(status_of(run)["attempt"]) >= attempt
        return run if known else None
