"""Measures plugins and the controller runtime. Run: ``python bench/bench_registry.py [--quick]``.

Installs 30 tiny packages into a temporary directory, lists them, loads them; then the work queue alone, and the time from a create
in the embedded store to the call of the reconcile. Milliseconds unless said otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sympozium_core.contracts.builtin_kinds import CONFIG_MAP
from sympozium_core.contracts.cluster import User, metadata
from sympozium_core.embedded.store import Store
from sympozium_core.hooks import RunEvent
from sympozium_core.names import GROUP_HOOKS, GROUP_PROVIDERS
from sympozium_core.reconcile.controller import DONE, Controller, Result
from sympozium_core.reconcile.informer import Informer
from sympozium_core.reconcile.key import Key
from sympozium_core.reconcile.queue import QueueClosed, WorkQueue
from sympozium_core.registry.calls import tell_run_event
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.relay import Source, load_relay

PACKAGES = 30
HOOK = "from sympozium_core.hooks import hookimpl\n@hookimpl\ndef sympozium_run_event(event): pass\n"
LISTING = (
    "import time; begun = time.perf_counter()\n"
    "from sympozium_core.registry.catalogue import installed\n"
    "imported = time.perf_counter(); found = installed(); done = time.perf_counter()\n"
    "print(len(found), (imported - begun) * 1000, (done - imported) * 1000)"
)


def install(directory: Path) -> None:
    for number in range(PACKAGES):
        (directory / f"bench_{number}.py").write_text(HOOK)
        info = directory / f"bench_{number}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: bench-{number}\nVersion: 1.0\nSummary: x\n\n" + "text\n" * 200
        )
        entries = f"[{GROUP_HOOKS}]\nb{number} = bench_{number}\n[{GROUP_PROVIDERS}]\nb{number} = bench_{number}:P\n"
        (info / "entry_points.txt").write_text(entries)


def show(what: str, values: list[float]) -> None:
    ordered = sorted(values)
    print(
        f"{what:58} median {statistics.median(ordered):9.3f}   p95 {ordered[int(len(ordered) * 0.95)]:9.3f}   least {ordered[0]:9.3f}"
    )


def repeat(count: int, call: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def plugins(directory: Path, rounds: int) -> None:
    command = [sys.executable, "-P", "-c", LISTING]
    fresh = [
        subprocess.run(command, env={"PYTHONPATH": str(directory)}, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(rounds)
    ]
    show(f"import of the catalogue, fresh process ({fresh[0][0]} entries)", [float(each[1]) for each in fresh])
    show("first listing, fresh process, whole environment", [float(each[2]) for each in fresh])
    sys.path.insert(0, str(directory))
    show("listing again, whole environment", repeat(rounds, installed))
    show(f"listing, the {PACKAGES} packages alone", repeat(rounds, lambda: installed(path=[str(directory)])))
    sources = [Source(each.name, each.value) for each in installed([GROUP_HOOKS], path=[str(directory)])]
    begun = time.perf_counter()
    relay = load_relay(sources)
    print(f"{f'load {len(relay.plugins)} hook plugins':58} once   {(time.perf_counter() - begun) * 1000:9.3f}")
    event = RunEvent("uid", "ns", "run", "gw", 1, {})
    show(f"ask {len(relay.plugins)} hook plugins", repeat(2000, lambda: tell_run_event(relay, event)))


async def queue(keys: int) -> None:
    work: WorkQueue[int] = WorkQueue()

    async def worker() -> None:
        while True:
            try:
                work.done(await work.get())
            except QueueClosed:
                return

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(worker())
        await asyncio.sleep(0)
        for key in range(keys):
            work.add(key)
        work.close()
    print(f"{f'{keys} keys through the queue, 4 workers':58} once   {(time.perf_counter() - begun) * 1000:9.3f}")


async def reconciles(directory: Path, count: int) -> None:
    store = await Store.open(directory / "store.db", kinds=[CONFIG_MAP])
    cluster = store.as_user(User("bench"))
    called: dict[str, float] = {}
    turn = asyncio.Event()

    async def reconcile(key: Key) -> Result:
        called[key.name] = time.perf_counter()
        turn.set()
        return DONE

    informer = Informer(cluster, CONFIG_MAP)
    controller = Controller("bench", informer, reconcile)
    tasks = [asyncio.create_task(informer.run()), asyncio.create_task(controller.run())]
    await informer.synced.wait()
    whole, after = [], []
    for number in range(count):
        turn.clear()
        begun = time.perf_counter()
        created = await cluster.create(
            CONFIG_MAP, {"metadata": {"name": f"c{number}", "namespace": "default"}, "data": {"x": "y" * 1000}}
        )
        returned = time.perf_counter()
        await turn.wait()
        at = called[metadata(created)["name"]]
        whole.append((at - begun) * 1000)
        after.append((at - returned) * 1000)
    show("create called, to reconcile called (durable write included)", whole)
    show("create returned, to reconcile called", after)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "site").mkdir()
        install(directory / "site")
        plugins(directory / "site", 5 if quick else 30)
        asyncio.run(queue(10_000))
        asyncio.run(reconciles(directory, 100 if quick else 1000))


if __name__ == "__main__":
    main()
