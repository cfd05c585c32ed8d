"""Measures how soon a tool call goes on once a person has decided, and how soon a person can see that it waits.

Run: ``python bench/bench_approval.py [--quick] [--sandbox NAME]``. The server is a process of its own, the decision a patch over its API, as the
command line makes it; what is measured ends where the bridge has the decision and puts the call on record.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.contracts.cluster import NotFound
from sympozium_core.resources.kinds import TOOL_APPROVAL
from sympozium_core.testing.conversations import command, turns
from sympozium_core.testing.embedded import Plane, ServerProcess, instance, secret
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer

POLICY = {
    "apiVersion": names.API_VERSION,
    "kind": "SympoziumPolicy",
    "metadata": {"name": "asking"},
    "spec": {"template": "Permissive", "requireApproval": ["execute_command"]},
}


def show(what: str, seconds: Sequence[float], goal: str = "") -> None:
    ordered = sorted(seconds)
    median, late = statistics.median(ordered) * 1000, ordered[int(len(ordered) * 0.95)] * 1000
    print(
        f"{what:48} best {ordered[0] * 1000:7.1f} ms   median {median:7.1f} ms   p95 {late:7.1f} ms   n {len(ordered):4} {goal}"
    )


async def one_run(plane: Plane, calls: int, together: asyncio.Barrier | None = None) -> tuple[list[float], list[float]]:
    """Of each call: from its wait to the object, from the decision to the call. `together`: the first decision waits until every run has its pod."""
    run = await plane.run("go on", instance="asking", limits={"maxToolCalls": calls, "maxTurns": calls + 2}, timeout="1h")
    seen: list[float] = []
    continued: list[float] = []
    decided: dict[str, float] = {}
    async for found in plane.follow(run):
        entry: dict[str, Any] = found["entry"]
        if entry["type"] == "tool.waiting":
            while True:
                try:
                    await plane.client.get(TOOL_APPROVAL, "default", entry["approval"])
                    break
                except NotFound:
                    await asyncio.sleep(0.001)
            if together is not None and not seen:
                await together.wait()
            seen.append(time.time() - entry["at"])
            decided[entry["call"]] = time.time()
            await plane.client.patch(TOOL_APPROVAL, "default", entry["approval"], {"spec": {"decision": "Approved"}})
        elif entry["type"] == "tool.requested":
            continued.append(entry["at"] - decided[entry["call"]])
    return seen, continued


async def main(arguments: argparse.Namespace) -> None:
    calls, many = (15, 4) if arguments.quick else (100, 20)
    async with OpenAIServer(key="sk-bench") as model:
        model.script = turns(*(Answer("", (command("true"),)) for _ in range(calls)), Answer("done"))
        with tempfile.TemporaryDirectory(prefix="sym-") as folder:
            async with ServerProcess(Path(folder) / "data", sandbox=arguments.sandbox) as server:
                plane = server.plane
                under = {"model": model.model, "key_from": "key", "policy": "asking"}
                await plane.apply(secret("key", model.key), POLICY, instance("asking", model.base_url, **under))
                seen, continued = await one_run(plane, calls)
                show("waits → there to be decided", seen)
                show("decided → goes on, one at a time", continued, "goal p95 200 ms")
                each = max(3, calls // 10)
                model.script = turns(*(Answer("", (command("true"),)) for _ in range(each)), Answer("done"))
                together = asyncio.Barrier(many)
                found = await asyncio.gather(*(one_run(plane, each, together) for _ in range(many)))
                show(
                    f"decided → goes on, {many} runs at once",
                    [one for _, continued in found for one in continued],
                    "goal p95 200 ms",
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--sandbox", default="bubblewrap")
    asyncio.run(main(parser.parse_args()))
