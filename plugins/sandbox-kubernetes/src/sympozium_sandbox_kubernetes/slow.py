"""Pods that do not come up: looks for what their Events complain of, seldom and for many at once. One that starts at once costs nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.contracts.cluster import ApiError, Cluster
from sympozium_sandbox_kubernetes.reasons import complaints
from sympozium_sandbox_kubernetes.watched import Place

PACE = BackOff(first=3.0, factor=1.6, longest=30.0)
"""How long a pod may take before it is asked about, and then how often."""
RESTS = 20.0
"""How many times as long as an answer took a namespace is left alone behind it: an API server reads all its Events for one, and where many pods
are slow, it is for want of an API server."""

log = logging.getLogger(__name__)


@dataclass
class _Awaited:
    containers: tuple[str, ...]
    pace: Attempts
    due: float
    message: str = ""


class Slow:
    """For one event loop; `run` does the looking."""

    def __init__(
        self, cluster: Cluster, names: Callable[[Place], tuple[str, ...]], tell: Callable[[Place], None], pace: BackOff = PACE
    ) -> None:
        """`names`: of the objects whose Events would tell about a pod; none where its status says enough. `tell`: that there is a new
        message."""
        self._cluster, self._names, self._tell, self._pace = cluster, names, tell, pace
        self._awaited: dict[Place, _Awaited] = {}
        self._rests: dict[str, float] = {}
        """Until when (the loop's time) a namespace is left alone."""
        self._some = asyncio.Event()

    def expect(self, place: Place, containers: tuple[str, ...]) -> None:
        """From now on it is to come up. `containers` are their names."""
        if place not in self._awaited:
            pace = Attempts(self._pace)
            self._awaited[place] = _Awaited(containers, pace, asyncio.get_running_loop().time() + pace.failed())
            self._some.set()

    def forget(self, place: Place) -> None:
        self._awaited.pop(place, None)

    def containers(self, place: Place) -> tuple[str, ...] | None:
        """None of a pod that is not expected."""
        found = self._awaited.get(place)
        return None if found is None else found.containers

    def message(self, place: Place) -> str:
        found = self._awaited.get(place)
        return "" if found is None else found.message

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._awaited:
                self._some.clear()
                await self._some.wait()
            due = min(max(each.due, self._rests.get(place.namespace, 0.0)) for place, each in self._awaited.items())
            await asyncio.sleep(min(max(0.0, due - loop.time()), self._pace.first))
            now = loop.time()
            self._rests = {namespace: until for namespace, until in self._rests.items() if until > now}
            late = {
                place: each
                for place, each in self._awaited.items()
                if each.due <= now + 1.0 and place.namespace not in self._rests
            }
            for each in late.values():
                each.due = now + each.pace.failed()
            for namespace in {place.namespace for place in late}:
                begun = loop.time()
                await self._ask(namespace, [place for place in late if place.namespace == namespace])
                self._rests[namespace] = loop.time() + RESTS * (loop.time() - begun)

    async def _ask(self, namespace: str, places: list[Place]) -> None:
        wanted = {name: place for place in places for name in self._names(place)}
        if not wanted:
            return
        try:
            found = await complaints(self._cluster, namespace, wanted)
        except ApiError as error:
            log.warning("cannot ask why pods in %s do not start: %s", namespace, error)
            return
        for name, message in found.items():
            awaited = self._awaited.get(wanted[name])
            if awaited is not None and awaited.message != message:
                awaited.message = message
                self._tell(wanted[name])
