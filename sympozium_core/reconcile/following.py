"""Follows objects on behalf of a plugin, which has no informers of its own: `contracts.cluster.Follow`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sympozium_core.contracts.cluster import Cluster, Follow, Followed, ResourceType
from sympozium_core.errors import Temporary
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.supervisor import Supervisor

FIRST_LIST_SECONDS = 30.0


def follower(cluster: Cluster, *, first_list: float = FIRST_LIST_SECONDS) -> Follow:
    """Each use has a watch of its own; `first_list` is the seconds that its first list may take."""

    @asynccontextmanager
    async def follow(kind: ResourceType, changed: Followed, *, labels: str = "") -> AsyncIterator[None]:
        informer = Informer(cluster, kind, labels=labels)
        informer.on_change(changed)
        supervisor = Supervisor()
        supervisor.add(f"followed {kind.plural}", informer.run)
        async with supervisor.running():
            try:
                async with asyncio.timeout(first_list):
                    await informer.synced.wait()
            except TimeoutError as error:
                why = informer.problem or f"the first list is not done after {first_list:g} s"
                raise Temporary(f"cannot follow {kind.plural}: {why}") from error
            yield

    return follow
