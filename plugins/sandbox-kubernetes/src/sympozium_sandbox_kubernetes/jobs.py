"""The Jobs of runs at the API server: made, found, listed, deleted; and their Pods ended."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from contextlib import suppress

from sympozium_core import names
from sympozium_core.contracts.builtin_kinds import JOB, POD
from sympozium_core.contracts.cluster import AlreadyExists, ApiError, Cluster, Conflict, NotFound, Object, metadata
from sympozium_core.errors import Permanent, Temporary
from sympozium_sandbox_kubernetes.failures import from_api
from sympozium_sandbox_kubernetes.job import GRACE
from sympozium_sandbox_kubernetes.status import View, ends_by_itself
from sympozium_sandbox_kubernetes.watched import Place, Watched

OF_RUNS = f"{names.LABEL_COMPONENT}={names.COMPONENT_RUN}"
SHORTEST_GRACE = 1
"""Seconds. With none at all the API server would forget a Pod that its node has not ended yet."""
UNREACHABLE = GRACE + 30.0
"""Seconds after which the node of a Pod that does not end is taken for lost: a node that has begun to end a Pod with one grace does not go
on with a shorter one. What may still run there is fenced by the bus."""
_PAGE = 500

log = logging.getLogger(__name__)


class Jobs:
    """Every method raises Temporary or Permanent."""

    def __init__(self, cluster: Cluster, watched: Watched) -> None:
        self._cluster, self._watched = cluster, watched

    async def create(self, job: Object) -> None:
        """One that is there already is left alone."""
        name = str(job["metadata"]["name"])
        try:
            await self._cluster.create(JOB, job)
        except AlreadyExists:
            await self._check_same(job)
        except ApiError as error:
            raise from_api(f"create the Job of pod {name}", error) from error

    async def _check_same(self, wanted: Object) -> None:
        meta = wanted["metadata"]
        found = await self.find(Place(meta["namespace"], meta["name"]))
        if found is None or metadata(found).get("deletionTimestamp"):
            raise Temporary(f"an earlier Job {meta['name']} is on its way out", after=1.0)
        if (metadata(found).get("labels") or {}).get(names.LABEL_POD) != meta["name"]:
            raise Permanent(f"a Job {meta['namespace']}/{meta['name']} that is not Sympozium's is in the way", hint="delete it")

    async def find(self, place: Place) -> Object | None:
        try:
            return await self._cluster.get(JOB, place.namespace, place.pod_id)
        except NotFound:
            return None
        except ApiError as error:
            raise from_api(f"tell of the Job of pod {place.pod_id}", error) from error

    async def places(self, pod_id: str = "") -> list[Place]:
        """Of every Job of a run, in all namespaces; or of those by one pod's name."""
        labels = f"{OF_RUNS},{names.LABEL_POD}={pod_id}" if pod_id else OF_RUNS
        found: list[Place] = []
        token = ""
        while True:
            try:
                page = await self._cluster.list(JOB, labels=labels, limit=_PAGE, continue_token=token)
            except ApiError as error:
                raise from_api("list the Jobs of runs", error) from error
            for meta in map(metadata, page.items):
                if (meta.get("labels") or {}).get(names.LABEL_POD) == meta["name"]:
                    found.append(Place(meta["namespace"], meta["name"]))
            token = page.continue_token
            if not token:
                return found

    async def delete(self, place: Place) -> None:
        """Its Pod is deleted behind it."""
        try:
            await self._cluster.delete(JOB, place.namespace, place.pod_id)
        except NotFound:
            pass
        except ApiError as error:
            raise from_api(f"delete the Job of pod {place.pod_id}", error) from error

    async def look_for_pods(self, place: Place) -> None:
        """Has the watch's view of the place include what the API server knows now."""
        try:
            page = await self._cluster.list(POD, place.namespace, labels=f"{names.LABEL_POD}={place.pod_id}")
        except ApiError as error:
            raise from_api(f"list the Pods of pod {place.pod_id}", error) from error
        for pod in page.items:
            self._watched.told(None, pod)

    async def end_pods(self, place: Place, grace: float) -> None:
        """Returns when nothing of them runs any more."""
        seconds = max(SHORTEST_GRACE, math.ceil(grace))
        if all(map(ends_by_itself, self._watched.alive(place))) and await self._watched.until_ended(place, grace):
            return
        await self.tell_to_end(place, self._watched.alive(place), seconds)
        if not await self._watched.until_ended(place, seconds + UNREACHABLE):
            log.warning("the node of pod %s does not say that it has ended; it is given up", place.pod_id)
            await self.tell_to_end(place, self._watched.alive(place), 0)

    async def tell_to_end(self, place: Place, pods: Iterable[View], seconds: int) -> None:
        """Returns at once."""
        for pod in pods:
            meta = metadata(pod)
            try:
                with suppress(NotFound, Conflict):
                    await self._cluster.delete(POD, place.namespace, meta["name"], uid=meta["uid"], grace=seconds)
            except ApiError as error:
                raise from_api(f"end pod {place.pod_id}", error) from error
