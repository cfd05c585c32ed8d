"""The runs of a cluster, as far as an installation has to know of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

from sympozium_core.contracts.cluster import NotFound, Object, ResourceType, metadata
from sympozium_core.names import Phase
from sympozium_core.resources.kinds import AGENT_RUN

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

PAGE = 500
LOOK_AGAIN = 1.0
_OVER = tuple(phase for phase in Phase if phase.terminal)


async def all_of(cluster: ClusterClient, kind: ResourceType) -> list[Object]:
    """In all namespaces; none where the kind is not installed. Raises ApiError."""
    found: list[Object] = []
    token = ""
    while True:
        try:
            page = await cluster.list(kind, limit=PAGE, continue_token=token)
        except NotFound:
            return []
        found += page.items
        token = page.continue_token
        if not token:
            return found


def phase_of(run: Object) -> str:
    return str((run.get("status") or {}).get("phase") or Phase.PENDING)


def called(obj: Object) -> str:
    return f"{metadata(obj).get('namespace')}/{metadata(obj)['name']}"


def by_phase(runs: list[Object]) -> dict[str, int]:
    """In the order of a run's life; only phases that there are."""
    counted = Counter(map(phase_of, runs))
    return {phase: counted[phase] for phase in Phase if counted[phase]}


async def going(cluster: ClusterClient) -> list[Object]:
    return [run for run in await all_of(cluster, AGENT_RUN) if phase_of(run) not in _OVER]


async def cancel(cluster: ClusterClient, runs: list[Object]) -> None:
    for run in runs:
        try:
            await cluster.patch(AGENT_RUN, metadata(run)["namespace"], metadata(run)["name"], {"spec": {"cancel": True}})
        except NotFound:
            continue


async def until_over(cluster: ClusterClient, deadline: float) -> list[Object]:
    """Waits for every run to end; returns those that had not at `deadline` (monotonic)."""
    while True:
        left = await going(cluster)
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(LOOK_AGAIN)
