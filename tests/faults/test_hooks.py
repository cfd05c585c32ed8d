"""The server is killed while a hook runs, and at each step between hooks: none is run twice, and what the agent has done stands."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.testing import leftovers
from sympozium_core.testing.embedded import ServerProcess, phase_of, status_of
from sympozium_core.testing.packages import write_package

PLUGIN = """
    import os
    import signal
    from pathlib import Path

    from sympozium_core.hooks import hookimpl

    @hookimpl
    def sympozium_run_event(event):
        wanted, done = os.environ["FAULT_AT"].split(), Path(os.environ["FAULT_DONE"])
        found = [str(event.entry.get(key)) for key in ("type", "phase", "state")[: len(wanted)]]
        if found == wanted and not done.exists():
            done.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def entry() -> str:
    """Of which the first kills the server: type, and for a hook phase and state."""
    return "none"


@pytest.fixture
def environment(tmp_path: Path, entry: str) -> dict[str, str]:
    write_package(tmp_path / "plugin", "fault-plugin", {"fault_plugin": PLUGIN}, {"sympozium.hooks": {"fault": "fault_plugin"}})
    return {"PYTHONPATH": str(tmp_path / "plugin"), "FAULT_AT": entry, "FAULT_DONE": str(tmp_path / "done")}


@pytest.fixture
def times(tmp_path: Path) -> Path:
    """Where each hook leaves a line each time it begins: `process` keeps no file of this machine from it."""
    return tmp_path / "times"


def counted(times: Path, name: str, then: str = "true") -> dict[str, Any]:
    script = f"echo {name} >>{times}; {then}"
    return {"name": name, "image": "example.com/hook:1", "command": ["sh", "-c", script]}


def begun(times: Path) -> list[str]:
    return times.read_text().split() if times.exists() else []


@pytest.mark.parametrize(
    "entry",
    [
        *("hook preRun Starting", "hook preRun Succeeded", "attempt", "result"),
        *("hook postRun Starting", "hook postRun Succeeded", "ended"),
    ],
)
async def test_killed_between_two_steps(server: ServerProcess, tmp_path: Path, times: Path, entry: str) -> None:
    hooks = {"preRun": [counted(times, "one"), counted(times, "two")], "postRun": [counted(times, "three")]}
    run = await server.plane.run("do it", name="do-it", lifecycle=hooks)
    assert await server.died() == -signal.SIGKILL
    await leftovers.wait_for(lambda: not leftovers.mentioning(server.data_dir), "no process is left")
    await server.start()
    ended = await server.plane.ended(run)
    status = status_of(ended)
    lines = begun(times)
    assert len(set(lines)) == len(lines), f"a hook ran twice: {lines}"
    first = status["hooks"][0]
    if phase_of(ended) == "Succeeded":
        assert status["result"] == "Finished."
        assert lines[:2] == ["one", "two"]
        assert [each["state"] for each in status["hooks"][:2]] == ["Succeeded", "Succeeded"]
    else:
        # The kill came while a preRun hook may have been at work.
        assert entry.startswith("hook preRun")
        assert status["reason"] == "InfrastructureError"
        assert "a hook is not run twice" in status["message"]
        assert first["state"] in ("Succeeded", "Failed")
    await leftovers.gone(ended, server.data_dir)


async def test_killed_while_a_hook_runs_before_the_agent(server: ServerProcess, times: Path, model: Any) -> None:
    hooks = {"preRun": [counted(times, "long", "sleep 60")], "postRun": [counted(times, "tidy")]}
    run = await server.plane.run("do it", lifecycle=hooks)
    await server.plane.until(run, lambda now: (status_of(now).get("hooks") or [{}])[0].get("state") == "Running")
    await server.kill()
    await leftovers.wait_for(lambda: not leftovers.mentioning(server.data_dir), "no process is left")
    await server.start()
    ended = await server.plane.ended(run)
    assert (phase_of(ended), status_of(ended)["reason"]) == ("Failed", "InfrastructureError")
    assert begun(times) == ["long", "tidy"]
    assert not model.requests
    await leftovers.gone(ended, server.data_dir)


async def test_killed_while_a_hook_runs_after_the_agent(server: ServerProcess, times: Path) -> None:
    hooks = {"postRun": [counted(times, "long", "sleep 60"), counted(times, "tidy")]}
    run = await server.plane.run("do it", lifecycle=hooks)
    await server.plane.until(run, lambda now: (status_of(now).get("hooks") or [{}])[0].get("state") == "Running")
    await server.kill()
    await server.start()
    ended = await server.plane.ended(run)
    assert (phase_of(ended), status_of(ended)["result"]) == ("Succeeded", "Finished.")
    assert [each["state"] for each in status_of(ended)["hooks"]] == ["Failed", "Succeeded"]
    assert any(each["type"] == "PostRunFailed" for each in status_of(ended)["conditions"])
    assert begun(times) == ["long", "tidy"]
    await leftovers.gone(ended, server.data_dir)
