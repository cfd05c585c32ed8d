"""The server is killed by a plugin of its own in the moment in which it learns of an entry of the journal: as exact as a kill can be."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from sympozium_core.testing import leftovers, soundness
from sympozium_core.testing.conversations import results
from sympozium_core.testing.embedded import COMMAND, ServerProcess, phase_of, status_of
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.servers.openai import OpenAIServer

PLUGIN = """
    import os
    import signal
    from pathlib import Path

    from sympozium_core.hooks import hookimpl

    @hookimpl
    def sympozium_run_event(event):
        wanted, done = os.environ["FAULT_AT"], Path(os.environ["FAULT_DONE"])
        if event.entry["type"] == wanted and not done.exists():
            done.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""
ENTRIES = (
    "attempt",
    "started",
    "progress",
    "model.request",
    "model.answer",
    "tool.requested",
    "tool.result",
    "result",
    "ended",
)


@pytest.fixture
def entry() -> str:
    """Of the type of which the first entry kills the server."""
    return "none"


@pytest.fixture
def environment(tmp_path: Path, entry: str) -> dict[str, str]:
    write_package(tmp_path / "plugin", "fault-plugin", {"fault_plugin": PLUGIN}, {"sympozium.hooks": {"fault": "fault_plugin"}})
    return {"PYTHONPATH": str(tmp_path / "plugin"), "FAULT_AT": entry, "FAULT_DONE": str(tmp_path / "done")}


@pytest.mark.parametrize("sandbox", ["process", "bubblewrap"])
@pytest.mark.parametrize("entry", ENTRIES)
async def test_killed_at_an_entry(server: ServerProcess, model: OpenAIServer, tmp_path: Path, entry: str) -> None:
    run = await server.plane.run("do it", name="do-it")
    assert await server.died() == -signal.SIGKILL
    assert (tmp_path / "done").exists()
    # Nothing of a pod outlives its server.
    await leftovers.wait_for(lambda: not leftovers.mentioning(server.data_dir), "no process is left")
    await server.start()
    await server.plane.ended(run)
    ended = await soundness.check(server.plane, run, model)
    assert phase_of(ended) == "Succeeded"
    assert status_of(ended)["result"] == "Finished."
    appended, counted = results(model.requests[-1])
    if not counted.startswith("Outcome unknown: "):
        assert counted.count("one") == 1 if "appended" in appended else counted.count("one") <= 1, (appended, counted)


async def test_stopped_in_good_order_and_started_again(server: ServerProcess, model: OpenAIServer) -> None:
    run = await server.plane.run("held")
    await server.plane.entry(run, "tool.requested")
    await server.stop()
    await leftovers.wait_for(lambda: not leftovers.mentioning(server.data_dir), "no process is left")
    await server.start()
    await server.plane.ended(run)
    ended = await soundness.check(server.plane, run, model)
    assert phase_of(ended) == "Succeeded"
    assert status_of(ended)["attempt"] == 2


async def test_what_a_crash_between_two_attempts_left_is_removed(server: ServerProcess, model: OpenAIServer) -> None:
    run = await server.plane.run("held")
    await server.plane.entry(run, "tool.requested")
    now = await server.plane.now(run)
    old = leftovers.folder_of(now, server.data_dir)
    await server.kill()
    await server.start()
    await server.plane.until(run, lambda now: status_of(now).get("attempt") == 2)
    # As if the server had been killed again before it had removed the first pod.
    await server.kill()
    (old / "volumes").mkdir(parents=True, exist_ok=True)
    await server.start()
    await server.plane.ended(run)
    ended = await soundness.check(server.plane, run, model)
    assert phase_of(ended) == "Succeeded"
    assert not old.exists()


async def test_a_run_does_not_end_up_in_a_weaker_sandbox(server: ServerProcess, model: OpenAIServer, data_dir: Path) -> None:
    """Started again with another sandbox: a run that was planned for walls does not go on without them, and leaves nothing."""
    await server.stop()
    walled = ServerProcess(data_dir, sandbox="bubblewrap")
    await walled.start()
    run = await walled.plane.run("held")
    await walled.plane.entry(run, "tool.requested")
    await walled.kill()
    await walled.plane.close()
    await server.start()
    ended = await server.plane.ended(run)
    assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "InfrastructureError")
    assert "planned for sandbox 'bubblewrap', and this server runs 'process'" in status_of(ended)["message"]
    await leftovers.gone(ended, data_dir)


@pytest.mark.parametrize("sandbox", ["bubblewrap"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_the_command_that_holds_the_server_is_ended(
    server: ServerProcess, model: OpenAIServer, data_dir: Path, number: int
) -> None:
    """`sympozium run` without a server: its control plane lives in the command."""
    await server.stop()
    command = await asyncio.create_subprocess_exec(
        *(*COMMAND, "run", "held", "--instance", "agent", "--name", "held", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
        # Ignored, it would be for the command too: so a shell starts what is to run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    await leftovers.wait_for(lambda: any(data_dir.glob("pods/*/*/workspace/lines")), "the command of the agent runs")
    os.kill(command.pid, number)
    code = await command.wait()
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}[signal.Signals(number)]
    await leftovers.wait_for(lambda: not leftovers.mentioning(data_dir), "no process is left", within=15)
    if number != signal.SIGKILL:
        assert not leftovers.pods_on_disk(data_dir)
    await server.start()
    run = {"metadata": {"name": "held", "namespace": "default"}}
    await server.plane.ended(run)
    ended = await soundness.check(server.plane, run, model)
    assert phase_of(ended) == ("Succeeded" if number == signal.SIGKILL else "Cancelled")
    assert not leftovers.pods_on_disk(data_dir)
