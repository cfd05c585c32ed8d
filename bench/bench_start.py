"""Measures how a run starts on a real node, step by step, from the moment before it is sent to the first request that its model gets.

Run: ``python -m tests.kubernetes.machine run --node -- python bench/bench_start.py [--quick]``. One run at a time. Each step is when a watch showed
it here: the Job, its Pod, the node that it was given, the bridge and the agent running; then the request at the model's server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_run import ENDED, TimedServer
from on_cluster import Seen, connected, given, settled_writes, show

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.cluster.reflector import Reflector
from sympozium_core.contracts.builtin_kinds import JOB, POD
from sympozium_core.contracts.cluster import Object, ResourceType
from sympozium_core.resources.kinds import AGENT_RUN
from sympozium_core.testing.servers.script import from_data
from tests.kubernetes import installed, runs
from tests.kubernetes.kubectl import Kubectl

NAMESPACE = "bench-start"
STEPS = ("sent", "admitted", "Job", "Pod", "has its node", "bridge runs", "agent runs", "model is asked", "ended")
NAMES = {"agent": "agent runs", "bridge": "bridge runs"}


class Watching:
    """Watches one namespace, in which nothing but one run at a time happens; `steps` are those of the run that is under way."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        self.steps = Seen()
        self._over: set[str] = set()

    def begin(self, over: str) -> Seen:
        """For the next run; `over` is the UID of the one before."""
        self._over.add(over)
        self.steps = Seen()
        return self.steps

    async def watch(self, kind: ResourceType) -> None:
        async with aclosing(Reflector(self._client, kind, NAMESPACE).changes()) as changes:
            async for change in changes:
                if change.type in ("ADDED", "MODIFIED", "DELETED") and not self._is_over(kind, change.object["metadata"]):
                    for step in ["removed"] if change.type == "DELETED" else _seen(kind, change.object):
                        self.steps.note(step)

    def _is_over(self, kind: ResourceType, meta: dict[str, Any]) -> bool:
        """Jobs and Pods bear the UID of their run in their names."""
        return meta["uid"] in self._over if kind is AGENT_RUN else any(uid in meta["name"] for uid in self._over)


def _seen(kind: ResourceType, obj: dict[str, Any]) -> Iterator[str]:
    status = obj.get("status") or {}
    if kind is AGENT_RUN:
        if status.get("phase") in ENDED:
            yield "ended"
        return
    yield kind.kind
    if kind is POD and obj["spec"].get("nodeName"):
        yield "has its node"
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if each["name"] in NAMES and each.get("state", {}).keys() & {"running", "terminated"}:
            yield NAMES[each["name"]]


def run(number: int) -> Object:
    return {**runs.run("", "hello"), "metadata": {"name": f"start-{number}", "namespace": NAMESPACE}}


async def measure(client: ClusterClient, server: TimedServer, audit: Path, count: int) -> None:
    watching = Watching(client)
    tasks = [asyncio.create_task(watching.watch(kind)) for kind in (JOB, POD, AGENT_RUN)]
    found: list[dict[str, float]] = []
    uid = "none"
    written = await settled_writes(audit)
    try:
        for number in range(count + 1):
            steps = watching.begin(uid)
            server.at.clear()
            steps.note("sent")
            uid = (await client.create(AGENT_RUN, run(number)))["metadata"]["uid"]
            steps.note("admitted")
            await steps.until(("ended", "removed"))
            steps.at["model is asked"] = server.at[0]
            found.append(steps.at)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    made = await settled_writes(audit) - written
    print(f"{'writes a run':<44} {made.total() / len(found):8.1f}   {dict(made.most_common(12))}")
    del found[0]  # with images and caches cold
    for before, after in pairwise(STEPS):
        show(f"{before} -> {after}", [at[after] - at[before] for at in found])
    show("sent -> model is asked", [at["model is asked"] - at["sent"] for at in found])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    kubectl, layout = given(__doc__)
    installed.install(kubectl.kubeconfig, layout)
    kubectl("create", "namespace", NAMESPACE)
    with runs.serve_model(from_data({"conversations": [{"turns": [{"text": "done"}]}]}), TimedServer) as model:
        runs.furnish(kubectl.within(NAMESPACE), model)
        assert isinstance(model.server, TimedServer)
        asyncio.run(_measured(kubectl, model.server, layout.logs / "audit.log", 5 if options.quick else 20))


async def _measured(kubectl: Kubectl, server: TimedServer, audit: Path, count: int) -> None:
    async with connected(kubectl) as client:
        await measure(client, server, audit, count)


if __name__ == "__main__":
    main()
