"""The code of skills that no image of the pod has: one ConfigMap an archive and instance, which owns it, named by the archive's digest.

That nobody put anything else in its place is checked by the container that imports it (`sidecar.packaged`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sympozium_core.clock import Clock
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import AlreadyExists, Cluster, NotFound, Object
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.errors import Permanent
from sympozium_core.names import CODE_ARCHIVE, LABEL_MANAGED_BY, MANAGED_BY
from sympozium_core.recent import Recent
from sympozium_core.reconcile.owner import owner_reference
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE

KNOWN = 300.0
"""Seconds for which a volume is taken to be still there: a write for each run would send the archive each time."""
MAX_KNOWN = 4096

Archives = Callable[[str], bytes | None]
"""The archive with a digest, if this process has it."""


class SkillCode:
    def __init__(self, cluster: Cluster, archives: Archives, clock: Clock) -> None:
        self._cluster, self._archives, self._clock = cluster, archives, clock
        self._seen: Recent[float] = Recent(MAX_KNOWN)

    async def ensure(self, run: Mapping[str, Any], pod: PodPlan) -> None:
        """All that the pod needs is there when this returns. Raises ApiError, and Permanent for code that nobody here has any more."""
        for container in pod.containers:
            if container.code and not self._is_known(pod.namespace, container.code_volume):
                await self._make(run, pod.namespace, container)

    def _is_known(self, namespace: str, volume: str) -> bool:
        seen = self._seen.get(f"{namespace}/{volume}")
        return seen is not None and self._clock.monotonic() - seen < KNOWN

    async def _make(self, run: Mapping[str, Any], namespace: str, container: Container) -> None:
        data = self._archives(container.code)
        if data is None:
            what = "the code of one of the run's skills is not that of the package which is installed now"
            raise Permanent(what, hint="create the run again")
        volume = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {
                "name": container.code_volume,
                "namespace": namespace,
                "labels": {LABEL_MANAGED_BY: MANAGED_BY},
                "ownerReferences": [await self._owner(run)],
            },
            "immutable": True,
            "binaryData": {CODE_ARCHIVE: base64.b64encode(data).decode()},
        }
        with suppress(AlreadyExists):
            await self._cluster.create(CONFIG_MAP, volume)
        self._seen.put(f"{namespace}/{container.code_volume}", self._clock.monotonic())

    async def _owner(self, run: Mapping[str, Any]) -> Object:
        """The instance; the run itself where that is gone."""
        meta = run["metadata"]
        try:
            instance = await self._cluster.get(SYMPOZIUM_INSTANCE, meta["namespace"], run["spec"]["instanceRef"])
        except NotFound:
            return owner_reference(AGENT_RUN, run, controller=False, block=False)
        return owner_reference(SYMPOZIUM_INSTANCE, instance, controller=False, block=False)
