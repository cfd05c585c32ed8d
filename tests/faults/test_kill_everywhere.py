"""`kill -9` of every process of a run at every step of it: the run goes on from its journal and ends well, and nothing happens twice in silence."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sympozium_core.contracts.cluster import Object
from sympozium_core.testing import leftovers, soundness
from sympozium_core.testing.conversations import results
from sympozium_core.testing.embedded import Plane, ServerProcess, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer

PROCESSES = ("agent", "bridge", "skill", "launcher", "server")
MODULES = {"agent": "sympozium_core.runner", "bridge": "sympozium_core.bridge", "skill": "sympozium_skill_shell"}
CONTAINERS = {"agent": "agent", "bridge": "bridge", "skill": "skill-shell"}
Reached = Callable[[ServerProcess, Object], Awaitable[None]]


def main_process(run: Object, process: str) -> int | None:
    """The interpreter of a container, not what a sandbox has put around it. None when it is not there (any more)."""
    found = [each for each in leftovers.of_run(run, CONTAINERS[process]) if each.runs_module(MODULES[process])]
    return found[-1].pid if found else None


async def look(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(leftovers.wait_for, condition, what)


async def in_a_pod(plane: Plane, run: Object) -> Object:
    return await plane.until(run, lambda now: status_of(now).get("pod"))


async def before_the_start_call(server: ServerProcess, run: Object) -> None:
    now = await in_a_pod(server.plane, run)
    await look(lambda: all(main_process(now, each) for each in CONTAINERS), "every container has begun")


async def task_is_written(server: ServerProcess, run: Object) -> None:
    now = await in_a_pod(server.plane, run)
    await look(lambda: any(server.data_dir.glob(f"pods/*/{now['status']['pod']}/volumes/agent/input/task.json")), "task.json")


async def model_streams(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "progress", where=lambda entry: entry["event"]["type"] == "text")


async def answer_is_recorded(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "model.answer")


async def tool_runs(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "tool.requested")
    now = await server.plane.now(run)
    lines = leftovers.folder_of(now, server.data_dir) / "workspace/lines"
    await look(lines.exists, "the command has written its line")


async def tool_has_its_result(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "tool.result")


async def result_is_written(server: ServerProcess, run: Object) -> None:
    """With the bridge stopped: only while it is may the agent read the last answer and write its result."""
    await server.plane.entry(run, "model.answer", where=lambda entry: not entry["message"].get("tool_calls"))
    now = await server.plane.now(run)
    path = leftovers.folder_of(now, server.data_dir) / "volumes/agent/output/result.json"
    assert path.exists(), "the agent was held until its last answer had come"


async def result_is_recorded(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "result")


async def run_has_ended(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "ended")


STEPS: dict[str, tuple[Reached, str]] = {
    "before the start call": (before_the_start_call, "do it"),
    "task.json written": (task_is_written, "do it"),
    "model streams": (model_streams, "slowly"),
    "answer recorded": (answer_is_recorded, "do it"),
    "tool runs": (tool_runs, "held"),
    "tool result recorded": (tool_has_its_result, "do it"),
    "result recorded": (result_is_recorded, "do it"),
    "run ended": (run_has_ended, "do it"),
}


async def kill(server: ServerProcess, run: Object, process: str) -> None:
    """SIGKILL; a server is started again on the same data. A process that has ended by now is left alone."""
    if process == "server":
        await server.kill()
        await server.start()
        return
    if process == "launcher":
        pid: int | None = leftovers.launcher_of(server.pid).pid
    else:
        pid = main_process(await server.plane.now(run), process)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def let_go(server: ServerProcess) -> None:
    """Ends the wait of a held command, should it still be waiting."""
    for workspace in server.data_dir.glob("pods/*/*/workspace"):
        (workspace / "go").touch()


async def check(server: ServerProcess, run: Object, model: OpenAIServer) -> Object:
    """It succeeded, soundly; and the line stands once, or the model knows that nobody knows."""
    await server.plane.ended(run, within=30)
    ended = await soundness.check(server.plane, run, model)
    assert phase_of(ended) == "Succeeded" and status_of(ended)["result"] == "Finished.", status_of(ended)
    appended, counted = results(model.requests[-1])
    lines = counted.count("one")
    if "appended" in appended:
        assert lines == 1
    else:
        assert "not known" in appended or "unknown" in appended, appended
        assert lines <= 1
    return ended


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("step", STEPS)
async def test_kill(server: ServerProcess, model: OpenAIServer, step: str, process: str) -> None:
    reached, task = STEPS[step]
    run = await server.plane.run(task)
    await reached(server, run)
    await kill(server, run, process)
    let_go(server)
    await check(server, run, model)
