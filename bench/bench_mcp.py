"""Measures tools of MCP servers: one call of a run through sidecar, bridge, bus and gateway, beside the same call by the SDK alone and a tool of a plain
sidecar; and how long a pod takes until its tools are there, with an MCP server and without.

    python bench/bench_mcp.py [--quick]

The server is the official SDK's, in a process of its own, over streamable HTTP; the model is a strict server that answers at once.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client

from sympozium_core.settings import ControllerSettings, EmbeddedSettings
from sympozium_core.testing import embedded
from sympozium_core.testing.conversations import call, command, turns
from sympozium_core.testing.embedded import Plane, furnish
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, ToolCall

SERVER = """
import sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("bench")
@server.tool()
def add(a: int, b: int) -> int:
    return a + b
server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        str(port),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        connected = False
        while not connected:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                connected = True
            await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        await process.wait()


async def by_the_sdk(url: str, calls: int) -> list[float]:
    took = []
    async with Client(url) as client:
        for number in range(calls):
            begun = time.perf_counter()
            await client.call_tool("add", {"a": number, "b": 1})
            took.append((time.perf_counter() - begun) * 1000)
    return took


async def in_a_run(plane: Plane, model: OpenAIServer, asked: Sequence[ToolCall]) -> tuple[list[float], float]:
    """Of each call its time as the bridge has it, in ms; and seconds from the attempt to the tools."""
    model.script = turns(*(Answer("", (each,)) for each in asked), Answer("Done."))
    spec: dict[str, Any] = {"limits": {"maxTurns": len(asked) + 2, "maxToolCalls": len(asked) + 2}}
    ended = await plane.ended(await plane.run("call", **spec), within=300)
    results = await plane.journal(ended, "tool.result")
    assert len(results) == len(asked), ended["status"]
    assert all(entry["status"] == "ok" for entry in results), results[0]
    (attempt,), (started,) = await plane.journal(ended, "attempt"), await plane.journal(ended, "started")
    return [float(entry["durationMs"]) for entry in results], float(started["at"]) - float(attempt["at"])


async def measure(sandbox: str, url: str, calls: int, runs: int) -> None:
    bound = [{"name": "bench", "toolsPrefix": "bench", "url": url}]
    for label, bindings, made in (
        ("a tool of an MCP server", bound, call("bench_add", a=1, b=1)),
        ("`true` by the shell's sidecar", [], command("true")),
    ):
        took, starts = [], []
        with tempfile.TemporaryDirectory(prefix="sym-") as folder:
            settings = EmbeddedSettings(Path(folder) / "data", sandbox, ControllerSettings())
            async with OpenAIServer() as model, embedded.in_process(settings) as plane:
                await furnish(plane, model, mcpServers=bindings)
                for _ in range(runs):
                    found, start = await in_a_run(plane, model, [made] * calls)
                    took += found
                    starts.append(start)
        show(f"{sandbox}: {label}", took)
        print(f"{sandbox + ': until the tools are there':<50} median {statistics.median(starts):.2f} s")


def show(label: str, took: Sequence[float]) -> None:
    ordered = sorted(took)
    p95 = ordered[int(len(ordered) * 0.95)]
    print(f"{label:<50} median {statistics.median(ordered):6.2f} ms   p95 {p95:6.2f} ms   n={len(ordered)}")


async def main(quick: bool) -> None:
    calls, runs = (20, 1) if quick else (100, 3)
    async with server() as url:
        show("the SDK alone", await by_the_sdk(url, calls * runs))
        for sandbox in ("process", "bubblewrap"):
            await measure(sandbox, url, calls, runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    asyncio.run(main(parser.parse_args().quick))
