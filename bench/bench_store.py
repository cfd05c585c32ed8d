"""Measures the embedded store: creates, updates, lists, watches. Run: ``python bench/bench_store.py [--quick]``.

Objects are AgentRuns of about 3 kB, durability is full. Latencies are of the whole call, in milliseconds unless said otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import Cluster, Object, User
from sympozium_core.embedded.rest import make_app, serve_unix
from sympozium_core.embedded.store import Store
from sympozium_core.resources.kinds import AGENT_RUN, ALL

SPEC = {
    "instanceRef": "bench",
    "task": "Look at every file of the workspace and say what it is for. " * 20,
    "tools": [{"name": f"tool-{number}", "description": "does one thing and does it well"} for number in range(20)],
}


def run_object(name: str) -> Object:
    labels = {"sympozium.ai/instance": "bench", "sympozium.ai/source": "bench"}
    return {"metadata": {"name": name, "namespace": "default", "labels": labels}, "spec": SPEC}


async def timed(count: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    taken = []
    for number in range(count):
        begun = time.perf_counter()
        await call(number)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def show(what: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"{what:<34} p50 {statistics.median(ordered):7.3f}  p99 {p99:7.3f} ms  ({1000 / statistics.mean(ordered):7.0f}/s)")


async def creates(cluster: Cluster, label: str, writers: int, count: int) -> None:
    latencies: list[float] = []

    async def write(writer: int) -> None:
        each = count // writers
        latencies.extend(await timed(each, lambda n: cluster.create(AGENT_RUN, run_object(f"{label}-{writers}-{writer}-{n}"))))

    begun = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    rate = len(latencies) / (time.perf_counter() - begun)
    ordered = sorted(latencies)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(
        f"{f'{label}: create, {writers} writers':<34} p50 {statistics.median(ordered):7.3f}  p99 {p99:7.3f} ms  ({rate:7.0f}/s)"
    )


async def updates(cluster: Cluster, label: str, count: int) -> None:
    await cluster.create(AGENT_RUN, run_object(f"{label}-updated"))

    async def update(number: int) -> None:
        change = {"status": {"phase": "Running", "message": f"turn {number}"}}
        await cluster.patch(AGENT_RUN, "default", f"{label}-updated", change, subresource="status")

    show(f"{label}: status patch", await timed(count, update))
    show(f"{label}: get", await timed(count, lambda _: cluster.get(AGENT_RUN, "default", f"{label}-updated")))


async def lists(cluster: Cluster, label: str) -> None:
    begun = time.perf_counter()
    page = await cluster.list(AGENT_RUN)
    print(f"{f'{label}: list of {len(page.items)} runs':<34} {(time.perf_counter() - begun) * 1000:7.1f} ms")
    begun = time.perf_counter()
    items, token = 0, ""
    while True:
        page = await cluster.list(AGENT_RUN, limit=500, continue_token=token)
        items, token = items + len(page.items), page.continue_token
        if not token:
            break
    print(f"{f'{label}: the same in pages of 500':<34} {(time.perf_counter() - begun) * 1000:7.1f} ms")
    begun = time.perf_counter()
    page = await cluster.list(AGENT_RUN, labels="sympozium.ai/instance=nobody")
    print(f"{f'{label}: selector, none found':<34} {(time.perf_counter() - begun) * 1000:7.1f} ms")


async def fan_out(cluster: Cluster, label: str, watchers: int, count: int) -> None:
    """From the end of a write to its event in the hands of the last of all watchers; negative where they are told before the writer."""
    begun: dict[str, float] = {}
    delays: list[float] = []
    version = (await cluster.list(AGENT_RUN, limit=1)).resource_version
    ready = asyncio.Barrier(watchers + 1)

    async def follow() -> None:
        events: Any = cluster.watch(AGENT_RUN, "default", resource_version=version)
        first = asyncio.ensure_future(anext(events))
        await ready.wait()
        seen = 0
        event = await first
        while True:
            if event.type != "BOOKMARK":
                delays.append((time.perf_counter() - begun[event.object["metadata"]["name"]]) * 1000)
                seen += 1
            if seen == count:
                break
            event = await anext(events)
        await events.aclose()

    tasks = [asyncio.create_task(follow()) for _ in range(watchers)]
    await ready.wait()
    started = time.perf_counter()
    for number in range(count):
        name = f"{label}-fan-{watchers}-{number}"
        begun[name] = time.perf_counter()
        await cluster.create(AGENT_RUN, run_object(name))
    await asyncio.gather(*tasks)
    rate = watchers * count / (time.perf_counter() - started)
    ordered = sorted(delays)
    p99 = ordered[int(len(ordered) * 0.99)]
    print(
        f"{f'{label}: write to event, {watchers} watchers':<34} p50 {statistics.median(ordered):7.3f}  p99 {p99:7.3f} ms  ({rate:7.0f} events/s)"
    )


async def measure(cluster: Cluster, label: str, quick: bool, filled: int) -> None:
    count = 200 if quick else 2000
    for writers in (1, 16, 64):
        await creates(cluster, label, writers, count)
    await updates(cluster, label, count)
    for watchers in (1, 100):
        await fan_out(cluster, label, watchers, 20 if quick else 100)
    missing = filled - len((await cluster.list(AGENT_RUN)).items)
    names = iter(range(missing))

    async def fill() -> None:
        for number in names:
            await cluster.create(AGENT_RUN, run_object(f"{label}-fill-{number}"))

    await asyncio.gather(*(fill() for _ in range(64)))
    await lists(cluster, label)


async def main(quick: bool) -> None:
    filled = 1_000 if quick else 10_000
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for label in ("in process", "over socket"):
            path = Path(folder) / f"{label.replace(' ', '-')}.db"
            store = await Store.open(path, kinds=ALL)
            if label == "in process":
                await measure(store.as_user(User("bench")), label.replace(" ", "-"), quick, filled)
            else:
                socket = Path(folder) / "api.sock"
                async with serve_unix(make_app(store), socket):
                    client = ClusterClient.over_socket(socket)
                    await measure(client, label.replace(" ", "-"), quick, filled)
                    await client.close()
            await store.close()
            begun = time.perf_counter()
            store = await Store.open(path, kinds=ALL)
            opened = (time.perf_counter() - begun) * 1000
            print(f"{f'open with {len(store.cache.entries(AGENT_RUN.resource))} runs':<34} {opened:7.1f} ms\n")
            await store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    asyncio.run(main(parser.parse_args().quick))
