"""Measures an installed control plane on a real API server; its runs have pods on simulated nodes, whose bridges this program plays.

Run: ``python -m tests.kubernetes.machine run --node --simulated 20 -- python bench/bench_cluster.py [--quick] [--bursts 100,500,1000]``.
`created -> Job` is from the moment before a run is sent to the API server until a watch shows its Job. `result -> ended` is from the
acknowledgement of the bridge's result by the bus until a watch shows the run's end, and `pod end -> ended` from the API server's acknowledgement
that the pod succeeded, which is written as soon as its bridge has its acknowledgement: sooner than a kubelet does. It is below zero where the run
ended before its pod. A burst's runs end when all of its pods work. Writes are counted in the API server's audit log, those of the controller's own
ServiceAccount; its CPU time and memory are those of both replicas, the leader's and the standby's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_run import ENDED
from on_cluster import Seen, connected, given, settled_writes, show

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.cluster.reflector import Change, Reflector
from sympozium_core.contracts.builtin_kinds import JOB, POD, SECRET
from sympozium_core.contracts.cluster import NotFound, Object, ResourceType
from sympozium_core.planning.factory import build_run
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE, SYMPOZIUM_POLICY
from tests.kubernetes import images, installed
from tests.kubernetes.kubectl import Kubectl
from tests.kubernetes.machine.layout import Layout

NAMESPACE = "bench"
AT_ONCE = 50
BETWEEN, SETTLED = 0.5, 3.0
"""Seconds of rest between two runs of those that come one at a time, and before those of a burst end: the cluster has its own to do behind each."""
PLAY_BRIDGES = """
import asyncio, json, sys, time
from sympozium_core.bus import subjects
from sympozium_core.bus.journal import Journal
from sympozium_core.bus.users import GATEWAY_INBOX
from sympozium_core.processes.control_bus import connect_bus
from sympozium_core.settings import BusSettings
async def main():
    bus = await connect_bus(BusSettings.from_environment(), inbox_prefix=GATEWAY_INBOX)
    room = asyncio.Semaphore(50)
    async def finish(uid):
        async with room:
            journal = Journal(bus, subjects.journal(uid, subjects.POD), last=0, attempt=1)
            await journal.append({"type": "result", "status": "success", "reason": "Completed", "size": 4, "response": "done", "metrics": {}})
            print(uid, time.time(), flush=True)
    await asyncio.gather(*map(finish, json.loads(sys.stdin.readline())))
asyncio.run(main())
"""


class Bench:
    def __init__(self, client: ClusterClient, kubectl: Kubectl, audit: Path) -> None:
        self.client, self.kubectl, self.audit = client, kubectl, audit
        self.jobs, self.working, self.ended, self.removed = Seen(), Seen(), Seen(), Seen()
        self.made = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._watch(JOB)), asyncio.create_task(self._watch(AGENT_RUN))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, kind: ResourceType) -> None:
        async with aclosing(Reflector(self.client, kind, NAMESPACE).changes()) as changes:
            async for change in changes:
                if change.type not in ("SYNCED", "BOOKMARK"):
                    self._note(kind, change)

    def _note(self, kind: ResourceType, change: Change) -> None:
        meta = change.object["metadata"]
        if kind is JOB:
            uid = meta["name"].removeprefix("run-").rpartition("-")[0]
            (self.removed if change.type == "DELETED" else self.jobs).note(uid)
            if (change.object.get("status") or {}).get("ready"):
                self.working.note(uid)
        elif (change.object.get("status") or {}).get("phase") in ENDED:
            self.ended.note(meta["uid"])

    async def create(self) -> tuple[str, float]:
        """The run's UID, and when it was sent."""
        self.made += 1
        begun = time.time()
        run = build_run(f"agent-{self.made % 10}", "work", namespace=NAMESPACE, source="bench")
        return (await self.client.create(AGENT_RUN, run))["metadata"]["uid"], begun

    async def finish(self, uids: list[str]) -> tuple[dict[str, float], dict[str, float]]:
        """When the bus had each result, and when the API server knew that its pod, if there was one yet, had succeeded."""
        pods = {
            pod["metadata"]["name"].removeprefix("run-")[:36]: pod for pod in (await self.client.list(POD, NAMESPACE)).items
        }
        acknowledged: dict[str, float] = {}
        over: dict[str, float] = {}

        async def end(uid: str) -> None:
            with suppress(NotFound):  # its run has ended and is cleaned already
                await self.client.patch(
                    POD, NAMESPACE, pods[uid]["metadata"]["name"], succeeded(pods[uid]), subresource="status"
                )
                over[uid] = time.time()

        async with asyncio.TaskGroup() as ends:
            async for uid, at in self._played(uids):
                acknowledged[uid] = at
                if uid in pods:
                    ends.create_task(end(uid))
        assert acknowledged.keys() == set(uids)
        return acknowledged, over

    async def _played(self, uids: list[str]) -> AsyncIterator[tuple[str, float]]:
        """Each run whose bridge has written its result, and when that was acknowledged."""
        gateway = ("exec", "-i", "deploy/sympozium-gateway", "--", "python3", "-c", PLAY_BRIDGES)
        command = ("kubectl", f"--kubeconfig={self.kubectl.kubeconfig}", "--namespace=sympozium-system", *gateway)
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{json.dumps(uids)}\n".encode())
        async for line in process.stdout:
            uid, at = line.decode().split()
            yield uid, float(at)
        await process.wait()

    async def idle(self, count: int) -> None:
        """One at a time, each to its end."""
        taken, ends = [], []
        for _ in range(count):
            uid, begun = await self.create()
            await self.jobs.until([uid])
            taken.append(self.jobs.at[uid] - begun)
            acknowledged, _ = await self.finish([uid])
            await self.ended.until([uid])
            ends.append(self.ended.at[uid] - acknowledged[uid])
            await self.removed.until([uid])
            await asyncio.sleep(BETWEEN)
        show("idle: created -> Job", taken)
        show("idle: result -> ended", ends)

    async def burst(self, count: int) -> None:
        before, cpu = await settled_writes(self.audit), controller_cpu()
        room = asyncio.Semaphore(AT_ONCE)

        async def one() -> tuple[str, float]:
            async with room:
                return await self.create()

        begun = time.time()
        sent = dict(await asyncio.gather(*(one() for _ in range(count))))
        created = time.time() - begun
        await self.jobs.until(sent)
        whole = max(self.jobs.at[uid] for uid in sent) - begun
        show(f"burst of {count}: created -> Job", [self.jobs.at[uid] - at for uid, at in sent.items()])
        print(f"{f'burst of {count}: all created; all Jobs there':<44} {created:8.2f} s; {whole:8.2f} s", flush=True)
        await self.working.until(sent)
        print(f"{f'burst of {count}: all pods work':<44} {time.time() - begun:8.2f} s", flush=True)
        await asyncio.sleep(SETTLED)
        acknowledged, over = await self.finish(list(sent))
        await self.ended.until(sent)
        show(f"burst of {count}: result -> ended", [self.ended.at[uid] - at for uid, at in acknowledged.items()])
        show(f"burst of {count}: pod end -> ended", [self.ended.at[uid] - at for uid, at in over.items()])
        await self.removed.until(sent)
        while (await self.client.list(POD, NAMESPACE, limit=1)).items:  # noqa: ASYNC110 - no watch of pods: it would cost more than this
            await asyncio.sleep(1.0)
        made = await settled_writes(self.audit) - before
        print(f"{f'burst of {count}: writes a run':<44} {made.total() / count:8.1f}   {dict(made.most_common(12))}")
        print(
            f"{f'burst of {count}: controller':<44} {(controller_cpu() - cpu) / count * 1000:8.1f} ms of CPU a run, {controller_memory():.0f} MiB at its most"
        )


def succeeded(pod: Object) -> Object:
    """What a kubelet writes of a pod whose containers have ended."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    state = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    common = {"ready": False, "started": False, "restartCount": 0, "imageID": "", "state": state}
    ready = {"type": "Ready", "status": "False", "reason": "PodCompleted", "lastTransitionTime": now}
    containers = [{"name": each["name"], "image": each["image"], **common} for each in pod["spec"]["containers"]]
    return {"status": {"phase": "Succeeded", "conditions": [ready], "containerStatuses": containers}}


def _controllers() -> list[Path]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"sympozium_core.processes\0controller" in (entry / "cmdline").read_bytes():
                found.append(entry)
        except OSError:
            continue
    return found


def controller_cpu() -> float:
    """Seconds."""
    fields = [(entry / "stat").read_text().rpartition(")")[2].split() for entry in _controllers()]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def controller_memory() -> float:
    """MiB, of the larger one, at its most so far."""
    lines = [line for entry in _controllers() for line in (entry / "status").read_text().splitlines()]
    return max(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def furnish(kubectl: Kubectl) -> None:
    """Nodes that take pods of runs, and ten instances whose policy lets them all run at once."""
    kubectl("taint", "nodes", "-l", "type=kwok", "kwok.x-k8s.io/node-")
    kubectl("label", "nodes", "-l", "type=kwok", "kubernetes.io/os=linux", "--overwrite")
    kubectl("create", "namespace", NAMESPACE)
    here = kubectl.within(NAMESPACE)
    spec = {"template": "Permissive", "subagentPolicy": {"maxConcurrent": 5000}}
    api = SYMPOZIUM_POLICY.api_version
    policy: Object = {"apiVersion": api, "kind": SYMPOZIUM_POLICY.kind, "metadata": {"name": "bench"}, "spec": spec}
    provider = {"name": "openai", "model": "m", "apiKeySecret": "key"}
    agents: dict[str, Any] = {
        "provider": provider,
        "policy": "bench",
        "agents": {"default": {"nodeSelector": {"type": "kwok"}}},
    }
    instances = [
        {"apiVersion": api, "kind": SYMPOZIUM_INSTANCE.kind, "metadata": {"name": f"agent-{number}"}, "spec": agents}
        for number in range(10)
    ]
    secret: Object = {"apiVersion": "v1", "kind": SECRET.kind, "metadata": {"name": "key"}, "stringData": {"apiKey": "none"}}
    here.apply(secret, policy, *instances)


async def measure(kubectl: Kubectl, layout: Layout, idle: int, bursts: list[int]) -> None:
    async with connected(kubectl) as client:
        bench = Bench(client, kubectl, layout.logs / "audit.log")
        async with bench.watching():
            await bench.idle(3)  # the first ones find everything cold
            await bench.idle(idle)
            for count in bursts:
                await bench.burst(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--bursts", default="100,500,1000")
    options = parser.parse_args()
    kubectl, layout = given(__doc__)
    images.load_all(layout)
    done = installed.sympozium(
        kubectl.kubeconfig, "install", *installed.arguments(), "--max-concurrent-runs=5000", "--max-run-history=5000"
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    furnish(kubectl)
    bursts = [20] if options.quick else [int(count) for count in options.bursts.split(",")]
    asyncio.run(measure(kubectl, layout, 5 if options.quick else 30, bursts))


if __name__ == "__main__":
    main()
