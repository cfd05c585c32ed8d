"""What the bridge adds: start, one tool call, one model turn, a burst of files. Run: ``python bench/bench_bridge.py``.

The pod is real (bridge and sidecar are processes, the bus is the embedded one over its socket, durable as in use); this process plays the
agent and the model, so that what is measured is everything between a request's file and its result's file, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parent.parent
CALLS = 300
TURNS = 200
BURSTS = (50, 500, 2000)
SIDECAR = """
from sympozium_core.sidecar import Server, tool

@tool
def nothing() -> str:
    "Does nothing, so that what is left is the way there and back."
    return "done"

Server("shell", [nothing]).serve()
"""


def pod_world() -> Any:
    """The same world as the tests': there is no second one to keep in step."""
    spec = importlib.util.spec_from_file_location("pod_world", ROOT / "tests/bridge/conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pod_world"] = module
    spec.loader.exec_module(module)
    return module


def show(what: str, seconds: Sequence[float], goal: str = "") -> None:
    ordered = sorted(seconds)
    median, late = statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.95)] * 1000
    best = ordered[0] * 1000
    print(f"{what:48} best {best:7.2f} ms   median {median:7.2f} ms   p95 {late:7.2f} ms   n {len(ordered):4} {goal}")


async def seen(condition: Callable[[], bool]) -> float:
    while not condition():  # noqa: ASYNC110  nobody tells when a file appears; that is what is measured
        await asyncio.sleep(0.0002)
    return time.perf_counter()


async def start(world: Any, tools: str) -> tuple[Any, float]:
    pod = world.pod(f"pod-{len(world.pods)}")
    script = pod.path / "sidecar.py"
    script.write_text(tools)
    environment = {**os.environ, "SYMPOZIUM_IPC": str(pod.volumes / "skill-shell")}
    pod.processes.append(await asyncio.create_subprocess_exec(sys.executable, str(script), env=environment))
    await seen((pod.volumes / "skill-shell/tools/shell/manifest.json").exists)
    begun = time.perf_counter()
    await pod.bridge()
    return pod, await seen((pod.agent / "input/task.json").exists) - begun


async def calls(pod: Any) -> list[float]:
    results = pod.agent / "tools/shell/results"
    took = []
    for number in range(CALLS):
        begun = time.perf_counter()
        pod.request("shell", f"c{number}", "nothing", {})
        took.append(await seen((results / f"c{number}.json").exists) - begun)
    return took


async def turns(pod: Any) -> list[float]:
    """The scripted model answers at once: what a turn takes is what is between."""
    model = (await pod.task())["model"]
    headers = {"Authorization": f"Bearer {model['token']}"}
    messages = [{"role": "user", "content": "x" * 2000}]
    took = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in range(TURNS):
            body = {"model": "m", "stream": True, "messages": messages}
            begun = time.perf_counter()
            async with session.post(f"{model['baseURL']}/chat/completions", json=body) as response:
                await response.read()
                assert response.status == 200
            took.append(time.perf_counter() - begun)
            messages += [{"role": "assistant", "content": "done"}, {"role": "user", "content": str(number)}]
    return took


async def bursts(world: Any, pod: Any) -> None:
    entries = world.follow()
    total = 0
    for size in BURSTS:
        begun = time.perf_counter()
        for number in range(total, total + size):
            pod.put(f"output/stream-{number}.json", json.dumps({"type": "turn", "turn": number}))
        total += size
        delivered = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while delivered < size:
                    entry = (await anext(entries)).entry
                    delivered += len(entry["events"]) if entry["type"] == "progress" else 0
        took = time.perf_counter() - begun
        print(f"{'files to events, burst of ' + str(size):52} delivered {delivered} of {size} in {took:.2f} s")
    await entries.aclose()


async def main() -> None:
    module = pod_world()
    limits = module.Limits(max_tool_calls=CALLS, max_turns=TURNS)
    with tempfile.TemporaryDirectory(dir=os.environ.get("SYMPOZIUM_BENCH_DIR")) as folder:
        world = module.World(Path(folder))
        world.plan = module.plan(limits=limits)
        world.deadline = time.time() + 600
        await world.open()
        try:
            started = []
            for _ in range(5):
                pod, took = await start(world, SIDECAR)
                started.append(took)
                if len(started) < 5:
                    await pod.kill()
            show("bridge: process started to task.json written", started)
            show("tool call: request file to result file, serial", await calls(pod), "(goal 5 ms with the command)")
            show("model turn: HTTP request to its last byte", await turns(pod), "(goal 5 ms)")
            await bursts(world, pod)
        finally:
            await world.close()


if __name__ == "__main__":
    asyncio.run(main())
