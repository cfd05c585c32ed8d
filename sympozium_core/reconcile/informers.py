"""One informer a kind and namespace, shared by every controller of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sympozium_core.contracts.cluster import Cluster, ResourceType
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.cache import IndexFunction
from sympozium_core.reconcile.informer import Informer


class Informers:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._informers: dict[tuple[ResourceType, str | None, str], Informer] = {}
        self._running: asyncio.TaskGroup | None = None

    def of(
        self,
        kind: ResourceType,
        namespace: str | None = None,
        *,
        labels: str = "",
        indexes: Mapping[str, IndexFunction] | None = None,
    ) -> Informer:
        """The informer of this kind in this namespace (None: in all), of what the selector `labels` fits; made at the first call.

        Indexes are added to those it has.
        """
        informer = self._informers.get((kind, namespace, labels))
        if informer is None:
            informer = self._informers[kind, namespace, labels] = Informer(self._cluster, kind, namespace, labels=labels)
            if self._running is not None:
                self._start(informer)
        for name, function in (indexes or {}).items():
            informer.cache.add_index(name, function)
        return informer

    async def run(self) -> None:
        """Runs all of them, also those that are asked for later, until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._running:
                for informer in self._informers.values():
                    self._start(informer)
                await asyncio.Event().wait()
        finally:
            self._running = None

    async def wait_synced(self, timeout: float = 30.0) -> None:
        """Returns when all know what there is. Raises Temporary after `timeout` seconds that says which does not, and why."""
        try:
            async with asyncio.timeout(timeout):
                for informer in tuple(self._informers.values()):
                    await informer.synced.wait()
        except TimeoutError as error:
            raise Temporary("not yet in step with the cluster: " + "; ".join(self.problems())) from error

    def problems(self) -> list[str]:
        """What is not in step with the cluster, for readiness; empty when all is well."""
        return [
            f"{kind.plural}: {informer.problem or 'first list is not done'}"
            for (kind, *_), informer in self._informers.items()
            if informer.problem or not informer.synced.is_set()
        ]

    def _start(self, informer: Informer) -> None:
        assert self._running is not None
        self._running.create_task(informer.run(), name=f"informer {informer.kind.plural}")
