"""`kill -9` of every process of a run at every step of it: the run goes on from its journal and ends well, and nothing happens twice in silence."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from sympozium_core.contracts.cluster import Object
from sympozium_core.testing import leftovers, soundness
from sympozium_core.testing.conversations import results
from sympozium_core.testing.embedded import Plane, ServerProcess, phase_of, status_of
from sympozium_core.testing.servers.openai import OpenAIServer
from tests.faults.killing import CONTAINERS, PROCESSES, kill, main_process

UNKNOWN = "Outcome unknown: "
"""How a result begins that tells the model of a call which may have happened."""
Reached = Callable[[ServerProcess, Object], Awaitable[None]]


async def look(condition: Callable[[], bool], what: str) -> None:
    await leftovers.wait_for(condition, what)


async def in_a_pod(plane: Plane, run: Object) -> Object:
    return await plane.until(run, lambda now: status_of(now).get("pod"))


async def before_the_start_call(server: ServerProcess, run: Object) -> None:
    now = await in_a_pod(server.plane, run)
    await look(lambda: all(main_process(now, each) for each in CONTAINERS), "every container has begun")


async def task_is_written(server: ServerProcess, run: Object) -> None:
    now = await in_a_pod(server.plane, run)
    await look(lambda: any(server.data_dir.glob(f"pods/*/{now['status']['pod']}/volumes/agent/input/task.json")), "task.json")


async def model_streams(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "progress", where=lambda entry: any(event["type"] == "text" for event in entry["events"]))


async def answer_is_recorded(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "model.answer")


async def tool_runs(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "tool.requested")
    now = await server.plane.now(run)
    lines = leftovers.folder_of(now, server.data_dir) / "workspace/lines"
    await look(lines.exists, "the command has written its line")


async def tool_has_its_result(server: ServerProcess, run: Object) -> None:
    await server.plane.entry(run, "tool.result")


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


def let_go(server: ServerProcess) -> None:
    """Ends the wait of a held command, should it still be waiting."""
    for workspace in server.data_dir.glob("pods/*/*/workspace"):
        with contextlib.suppress(FileNotFoundError):  # it is being removed
            (workspace / "go").touch()


async def check(server: ServerProcess, run: Object, model: OpenAIServer, *, says: str = "Finished.") -> Object:
    """It succeeded, soundly; and the line stands once, or the model knows that nobody knows."""
    await server.plane.ended(run, within=30)
    ended = await soundness.check(server.plane, run, model)
    assert (phase_of(ended), status_of(ended).get("result")) == ("Succeeded", says), status_of(ended)
    appended, counted = results(model.requests[-1])
    lines = counted.count("one")
    if not counted.startswith(UNKNOWN):
        assert lines == 1 if "appended" in appended else appended.startswith(UNKNOWN) and lines <= 1, (appended, counted)
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


@pytest.mark.parametrize("process", PROCESSES)
async def test_kill_between_result_and_acknowledgement(server: ServerProcess, model: OpenAIServer, process: str) -> None:
    run = await server.plane.run("lingering")
    now = await last_answer_streams(server, run)
    bridge = await hold_the_bridge_at_the_result(server, now)
    await kill(server, run, process)
    if leftovers.running(bridge):
        os.kill(bridge, signal.SIGCONT)
    await check(server, run, model, says=" ".join(["word"] * 40))


async def last_answer_streams(server: ServerProcess, run: Object) -> Object:
    await server.plane.entry(
        run, "progress", where=lambda entry: any((event["type"], event.get("turn")) == ("text", 3) for event in entry["events"])
    )
    return await server.plane.now(run)


async def hold_the_bridge_at_the_result(server: ServerProcess, run: Object) -> int:
    """Stops the bridge such that the agent has written its result and nobody has read it: from here on never both of them run."""
    agent, bridge = main_process(run, "agent"), main_process(run, "bridge")
    assert agent is not None
    assert bridge is not None
    written = leftovers.folder_of(run, server.data_dir) / "volumes/agent/output/result.json"
    os.kill(agent, signal.SIGSTOP)
    await server.plane.entry(run, "model.answer", where=lambda entry: not entry["message"].get("tool_calls"))
    for _ in range(50):
        # The bridge may not have passed on the whole answer yet; then it gets another moment without the agent.
        os.kill(bridge, signal.SIGSTOP)
        os.kill(agent, signal.SIGCONT)
        try:
            await leftovers.wait_for(written.exists, "result.json", within=0.5)
        except AssertionError:
            os.kill(agent, signal.SIGSTOP)
            os.kill(bridge, signal.SIGCONT)
            continue
        return bridge
    raise AssertionError("the agent did not write its result")
