"""What the benchmarks on a cluster share: which cluster, when something was first seen, what the controller has written."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from sympozium_core.cluster.client import ClusterClient
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import Layout

CONTROLLER = "system:serviceaccount:sympozium-system:sympozium-controller"
WRITES = ("create", "update", "patch", "delete", "deletecollection")
WITHIN = 300.0


def given(doc: str | None) -> tuple[Kubectl, Layout]:
    """The cluster that was brought up for this; without one it says how and ends the program. `doc` has the command between its first ``."""
    if "SYMPOZIUM_TEST_MACHINE" not in os.environ:
        print(f"needs a cluster: {(doc or '').partition('``')[2].partition('``')[0]}")
        sys.exit()
    return Kubectl(Path(os.environ["KUBECONFIG"])), Layout(Path(os.environ["SYMPOZIUM_TEST_MACHINE"]))


@asynccontextmanager
async def connected(kubectl: Kubectl) -> AsyncIterator[ClusterClient]:
    client = ClusterClient.from_kubeconfig(kubectl.kubeconfig)
    try:
        yield client
    finally:
        await client.close()


class Seen:
    """When each thing that is waited for was first seen, by name: a run's UID, a step of its start."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._changed = asyncio.Event()

    def note(self, name: str) -> None:
        self.at.setdefault(name, time.time())
        self._changed.set()

    async def until(self, names: Iterable[str]) -> None:
        wanted = set(names)
        async with asyncio.timeout(WITHIN):
            while not wanted <= self.at.keys():
                self._changed.clear()
                await self._changed.wait()


def writes(audit: Path) -> Counter[str]:
    """Of the controller so far, by verb and kind; `audit` is the API server's log."""
    found: Counter[str] = Counter()
    for file in sorted(audit.parent.glob("audit*.log")):
        with file.open() as lines:
            for line in lines:
                if CONTROLLER not in line:
                    continue
                entry = json.loads(line)
                about = entry.get("objectRef") or {}
                resource = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
                if entry["user"]["username"] == CONTROLLER and entry["verb"] in WRITES and resource != "leases":
                    found[f"{entry['verb']} {resource}"] += 1
    return found


async def settled_writes(audit: Path) -> Counter[str]:
    """Once nothing more is written: Events and instances' counts come a little later than what they tell of."""
    found = writes(audit)
    while True:
        await asyncio.sleep(2.0)
        if (now := writes(audit)) == found:
            return found
        found = now


def show(what: str, taken: list[float]) -> None:
    ordered = sorted(value * 1000 for value in taken)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(
        f"{what:<44} min {ordered[0]:8.0f}  p50 {statistics.median(ordered):8.0f}  p99 {p99:8.0f} ms  (n={len(ordered)})",
        flush=True,
    )
