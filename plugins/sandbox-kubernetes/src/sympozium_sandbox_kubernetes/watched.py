"""The Pods of runs as one watch tells of them: what became of each, also of those that are gone, and a way to wait for what becomes of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sympozium_core import names
from sympozium_core.contracts.cluster import metadata
from sympozium_core.contracts.sandbox import ContainerStatus, PodStatus
from sympozium_sandbox_kubernetes.status import View, gone_status, has_processes, is_broken_off, pod_status


class Place(NamedTuple):
    """Where a pod is: its id alone may be written on anybody's Pod in another namespace."""

    namespace: str
    pod_id: str


@dataclass
class _Known:
    pods: dict[str, View] = field(default_factory=dict)
    """By name. A Job has one, unless somebody else has made more."""
    ended: PodStatus | None = None
    """Of the last one that went."""
    ends: dict[str, ContainerStatus] = field(default_factory=dict)
    """How each container ended first, in that order: a node starts a sidecar again, and then its Pod tells of a later end."""
    ours: bool = False
    """This driver ends it."""


class Watched:
    """For one event loop."""

    def __init__(self, changed: Callable[[Place], None]) -> None:
        """`changed` is told each time that a pod's status is another one, or that it is gone."""
        self._changed = changed
        self._known: dict[Place, _Known] = {}
        self._waiting: dict[Place, list[asyncio.Future[None]]] = {}

    def told(self, old: View | None, new: View | None) -> None:
        """What `contracts.cluster.Follow` calls."""
        pod = new if new is not None else old or {}
        meta = metadata(pod)
        place = Place(str(meta.get("namespace") or ""), str((meta.get("labels") or {}).get(names.LABEL_POD) or ""))
        known = self._known.get(place)
        if not (known and meta["name"] in known.pods) and not _is_of_job(pod, place.pod_id):
            return
        before = self.status(place)
        known = known or self._known.setdefault(place, _Known())
        if new is not None:
            known.pods[meta["name"]] = new
        else:
            first = self.pod(place)
            gone = known.pods.pop(meta["name"], pod)
            if gone is first or first is None:
                known.ended = gone_status(gone, ours=known.ours)
        self._remember_ends(place, known)
        for waiting in self._waiting.pop(place, ()):
            if not waiting.done():
                waiting.set_result(None)
        if new is None or self.status(place) != before:
            self._changed(place)

    def pod(self, place: Place) -> View | None:
        """The Pod that there is; of several the first, for the others are nobody's."""
        known = self._known.get(place)
        if known is None or not known.pods:
            return None
        return min(known.pods.values(), key=lambda pod: (metadata(pod).get("creationTimestamp") or "", metadata(pod)["name"]))

    def alive(self, place: Place) -> list[View]:
        """Every Pod there that may still have processes."""
        known = self._known.get(place)
        return [pod for pod in known.pods.values() if has_processes(pod)] if known else []

    def status(self, place: Place) -> PodStatus | None:
        """None of a pod that was never seen."""
        known = self._known.get(place)
        if known is None:
            return None
        pod = self.pod(place)
        status = pod_status(pod, ours=known.ours) if pod is not None else known.ended
        if status is None:
            return None
        first = {name: each for name, each in known.ends.items() if name in status.containers}
        return replace(status, containers={**first, **status.containers, **first})

    def _remember_ends(self, place: Place, known: _Known) -> None:
        status = self.status(place)
        if status is not None:
            known.ends |= {
                name: each for name, each in status.containers.items() if each.state == "ended" and name not in known.ends
            }

    def claim(self, place: Place) -> None:
        """From now on it ends because we end it."""
        self._known.setdefault(place, _Known()).ours = True

    def forget(self, place: Place) -> None:
        self._known.pop(place, None)

    def places(self) -> list[Place]:
        """Of all pods that are there, ended or not."""
        return [place for place, known in self._known.items() if known.pods]

    async def until_ended(self, place: Place, seconds: float) -> bool:
        """Whether nothing of it runs any more, as far as its node can be asked, before so many seconds are over."""
        try:
            async with asyncio.timeout(seconds):
                while living := self.alive(place):
                    if all(is_broken_off(pod) for pod in living):
                        return False
                    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.setdefault(place, []).append(turn)
                    await turn
        except TimeoutError:
            return False
        return True


def _is_of_job(pod: View, name: str) -> bool:
    """Whether it is more than a Pod that bears our labels: that of a run is its Job's."""
    owners = metadata(pod).get("ownerReferences") or ()
    return any(each.get("controller") and each.get("kind") == "Job" and each.get("name") == name for each in owners)
