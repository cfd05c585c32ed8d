"""Waits until what was applied does its work, and says meanwhile what for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sympozium_core.contracts.cluster import NotFound, Object, Unavailable, metadata
from sympozium_core.errors import Permanent
from sympozium_core.installer import diagnosis, kinds, readiness

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient

Say = Callable[[str], None]
"""Gets each line of progress."""

LOOK_AGAIN = 0.5
PATIENCE = 10.0
"""Seconds without news after which the reason of a pod is looked for."""


async def until_ready(cluster: ClusterClient, objects: Sequence[Object], deadline: float, say: Say) -> None:
    """All at the same time: an autoscaler may ask more of what was ready. `deadline` is monotonic.

    Raises Permanent with the reasons for what did not get ready.
    """
    progress = _Progress(cluster, say)
    lasting = [obj for obj in objects if readiness.has_life(kinds.of(obj))]
    while True:
        waits = False
        for obj in lasting:
            title = kinds.title(obj)
            live, missing = await _look(cluster, obj)
            if missing == readiness.READY:
                continue
            waits = True
            if live is not None and (failed := readiness.has_failed(kinds.of(obj), live)):
                raise await _problem(cluster, title, live, failed)
            if time.monotonic() > deadline:
                raise await _problem(cluster, title, live, f"not ready in time: {missing}")
            await progress.tell(title, missing, live)
        if not waits:
            return
        await asyncio.sleep(LOOK_AGAIN)


class _Progress:
    """Says what is waited for once, and after a while without news the reason of a pod."""

    def __init__(self, cluster: ClusterClient, say: Say) -> None:
        self._cluster, self._say = cluster, say
        self._said: set[tuple[str, str]] = set()
        self._quiet_since = time.monotonic()

    async def tell(self, title: str, missing: str, live: Object | None) -> None:
        if self._is_news(title, missing):
            self._say(f"  waiting for {title}: {missing}")
        elif live is not None and time.monotonic() - self._quiet_since > PATIENCE:
            why = await diagnosis.waiting(self._cluster, live)
            if why and self._is_news(title, why):
                self._say(f"    {why}")

    def _is_news(self, title: str, text: str) -> bool:
        if (title, text) in self._said:
            return False
        self._said.add((title, text))
        self._quiet_since = time.monotonic()
        return True


async def _look(cluster: ClusterClient, obj: Object) -> tuple[Object | None, str]:
    """The object as it is, and what is missing."""
    kind = kinds.of(obj)
    try:
        live = await cluster.get(kind, metadata(obj).get("namespace"), metadata(obj)["name"])
    except NotFound:
        return None, "it is not there"
    except Unavailable as error:  # the API server itself may be busy for a moment
        return None, error.message
    return live, readiness.waits_for(kind, live)


async def _problem(cluster: ClusterClient, title: str, live: Object | None, what: str) -> Permanent:
    why = await diagnosis.reasons(cluster, live) if live is not None else []
    lines = "".join(f"\n  {line}" for line in why)
    return Permanent(f"{title}: {what}{lines}", hint="sympozium doctor looks further; the command can be given again")
