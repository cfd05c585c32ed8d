"""Measures whole runs: create to first model request, what a turn costs beyond the model, many runs at once, the runner's memory.

Run: ``python bench/bench_run.py [--quick] [--sandbox NAME]``. The model is the strict local server of the test kit, in this very process;
per-turn figures leave out the time from a request's arrival to the last byte of its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from sympozium_core.cli.target import Embedded, Target, reach
from sympozium_core.contracts.builtin_kinds import SECRET
from sympozium_core.planning.factory import build_run
from sympozium_core.resources.kinds import AGENT_RUN, SYMPOZIUM_INSTANCE
from sympozium_core.settings import EmbeddedSettings
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import from_data

KEY = "sk-bench"
ENDED = ("Succeeded", "Failed", "Cancelled")
LIST = {"name": "list_directory", "arguments": {"path": "/workspace"}}
COMMAND = {"name": "execute_command", "arguments": {"command": "true"}}


class TimedServer(OpenAIServer):
    """Remembers when each request came, and when the last byte of its answer had been written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.at: list[float] = []
        self.answered: list[float] = []

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.at.append(time.time())
        response = await super()._handle(request)
        self.answered.append(time.time())
        return response


def script(turns: int) -> Any:
    """Three conversations: an answer at once, and `turns` tool calls of either kind."""
    return from_data(
        {
            "conversations": [
                {"when": "^list", "turns": [*({"tools": [LIST]} for _ in range(turns)), {"text": "done"}]},
                {"when": "^command", "turns": [*({"tools": [COMMAND]} for _ in range(turns)), {"text": "done"}]},
                {"turns": [{"text": "done"}]},
            ]
        }
    )


async def prepare(target: Target, base_url: str) -> None:
    metadata = {"name": "key", "namespace": "default"}
    await target.cluster.create(
        SECRET, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"apiKey": KEY}}
    )
    provider = {"name": "openai", "model": "bench", "baseURL": base_url, "apiKeySecret": "key"}
    instance = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumInstance",
        "metadata": {"name": "bench", "namespace": "default"},
        "spec": {"provider": provider, "policy": "bench"},
    }
    policy = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "SympoziumPolicy",
        "metadata": {"name": "bench", "namespace": "default"},
        "spec": {"template": "Permissive"},
    }
    from sympozium_core.resources.kinds import SYMPOZIUM_POLICY

    await target.cluster.create(SYMPOZIUM_POLICY, policy)
    await target.cluster.create(SYMPOZIUM_INSTANCE, instance)


async def one_run(target: Target, task: str) -> tuple[float, dict[str, Any], str]:
    """When it was created, its status at the end, and its name."""
    created_at = time.time()
    run = await target.cluster.create(AGENT_RUN, build_run("bench", task, namespace="default", source="bench"))
    name = run["metadata"]["name"]
    version = run["metadata"]["resourceVersion"]
    async for event in target.cluster.watch(AGENT_RUN, "default", resource_version=version, fields=f"metadata.name={name}"):
        status = event.object.get("status") or {}
        if status.get("phase") in ENDED:
            if status["phase"] != "Succeeded":
                raise SystemExit(f"run {name}: {status}")
            return created_at, status, name
    raise SystemExit("the watch ended")


@contextlib.asynccontextmanager
async def served(folder: Path, sandbox: str, warm_pods: int = 0) -> AsyncIterator[Target]:
    """A server in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "sympozium_core.cli.main",
        "serve",
        "--data-dir",
        str(folder),
        "--max-concurrent-runs",
        "40",
    ]
    command += ["--warm-pods", str(warm_pods)]
    if sandbox:
        command += ["--sandbox", sandbox]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    print((await process.stdout.readline()).decode().strip())
    try:
        async with reach(Embedded(EmbeddedSettings(data_dir=folder))) as target:
            yield target
    finally:
        process.terminate()
        await process.wait()


def show(what: str, values: list[float], unit: str = "ms") -> None:
    ordered = sorted(values)
    print(
        f"{what:<52} min {ordered[0]:8.1f}  p50 {statistics.median(ordered):8.1f}  max {ordered[-1]:8.1f} {unit}  (n={len(ordered)})"
    )


async def cold(server: TimedServer, folder: Path, count: int, sandbox: str) -> None:
    """`sympozium run` with no server: from the process's start to the first model request."""
    async with served(folder, sandbox) as target:
        await prepare(target, server.base_url)
    first, whole = [], []
    for _ in range(count):
        server.at.clear()
        started = time.time()
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "sympozium_core.cli.main",
                "run",
                "hello",
                "--instance",
                "bench",
                "--data-dir",
                str(folder),
            ),
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait():
            raise SystemExit("a cold run failed")
        whole.append((time.time() - started) * 1000)
        first.append((server.at[0] - started) * 1000)
    show("cold: `sympozium run` -> first model request", first)
    show("cold: `sympozium run` whole", whole)


async def warm(server: TimedServer, target: Target, count: int) -> None:
    first, whole = [], []
    for _ in range(count):
        server.at.clear()
        created, _, _ = await one_run(target, "hello")
        whole.append((time.time() - created) * 1000)
        first.append((server.at[0] - created) * 1000)
    show("server up: create -> first model request", first)
    show("server up: create -> Succeeded", whole)


async def waiting(server: TimedServer, target: Target, count: int) -> None:
    """With a started pod waiting: each run takes it, and the next one is awaited before the next run."""
    first = []
    await one_run(target, "hello")
    for _ in range(count):
        await asyncio.sleep(2.0)  # until the next pod is up: nothing outside tells of it
        server.at.clear()
        created, _, _ = await one_run(target, "hello")
        first.append((server.at[0] - created) * 1000)
    show("a started runner waiting: create -> first model request", first)


async def turns(server: TimedServer, target: Target, kind: str, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds that the model took for its answers, and that passed from each to the request after it."""
    model: list[float] = []
    beyond: list[float] = []
    for _ in range(count):
        server.at.clear()
        server.answered.clear()
        await one_run(target, kind)
        model += [(done - begun) * 1000 for begun, done in zip(server.at, server.answered, strict=True)]
        beyond += [(begun - done) * 1000 for begun, done in zip(server.at[1:], server.answered, strict=False)]
    return model, beyond


async def many(target: Target, at_once: int) -> None:
    begun = time.perf_counter()
    await asyncio.gather(*(one_run(target, "hello") for _ in range(at_once)))
    spent = time.perf_counter() - begun
    print(f"{f'{at_once} runs at once':<52} {spent:8.2f} s, {at_once / spent:6.1f} runs/s")


async def runner_memory(target: Target, server: TimedServer) -> None:
    """Peak resident memory of the runner over a run of many turns, read from /proc while it lives."""
    peak = 0.0
    task = asyncio.ensure_future(one_run(target, "list"))
    while not task.done():
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if entry.name.isdigit() and b"sympozium_core.runner" in (entry / "cmdline").read_bytes():
                    lines = (entry / "status").read_text().splitlines()
                    found = next(line for line in lines if line.startswith("VmHWM"))
                    name = next(line for line in lines if line.startswith("Name"))
                    if "python" in name:
                        peak = max(peak, int(found.split()[1]) / 1024)
        await asyncio.sleep(0.005)
    await task
    print(f"{'runner, peak resident memory':<52} {peak:8.1f} MiB")


def commands(count: int) -> None:
    for words in (["--help"], ["version"], ["plugins", "list"]):
        wall, cpu = [], []
        for _ in range(count):
            before, begun = os.times(), time.perf_counter()
            subprocess.run([str(Path(sys.executable).with_name("sympozium")), *words], check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            wall.append((time.perf_counter() - begun) * 1000)
            cpu.append((after.children_user + after.children_system - before.children_user - before.children_system) * 1000)
        show(f"sympozium {' '.join(words)}: wall", wall)
        show(f"sympozium {' '.join(words)}: CPU", cpu)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sandbox", default="")
    options = parser.parse_args()
    count = 3 if options.quick else 10
    commands(5 if options.quick else 20)
    async with TimedServer(key=KEY, model="bench", script=script(20)) as server:
        with tempfile.TemporaryDirectory() as cold_folder:
            await cold(server, Path(cold_folder), count, options.sandbox)
        with tempfile.TemporaryDirectory() as folder:
            async with served(Path(folder), options.sandbox, warm_pods=1) as target:
                await prepare(target, server.base_url)
                await waiting(server, target, count)
        with tempfile.TemporaryDirectory() as folder:
            async with served(Path(folder), options.sandbox) as target:
                await prepare(target, server.base_url)
                await warm(server, target, count)
                model, listed = await turns(server, target, "list", count)
                called = (await turns(server, target, "command", count))[1]
                show("the model's own time a turn", model)
                show("a turn with list_directory, beyond it", listed)
                show("a turn with execute_command, beyond it", called)
                print(
                    f"{'execute_command beyond list_directory':<52} p50 {statistics.median(called) - statistics.median(listed):8.1f} ms"
                )
                await runner_memory(target, server)
                for at_once in (10, 40):
                    await many(target, at_once)


if __name__ == "__main__":
    asyncio.run(main())
