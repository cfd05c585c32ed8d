"""What every tool server does, whatever it is written in: the library's, by inotify and by polling, and the documented one in shell."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SHELL = Path(__file__).parents[2] / "docs" / "examples" / "shell-tool-server.sh"
PYTHON = """
import os, subprocess
from sympozium_core.sidecar import Outcome, Server, tool

@tool
def execute_command(command: str) -> Outcome:
    "Run a shell command."
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=os.environ["SYMPOZIUM_WORKSPACE"])
    return Outcome((done.stdout + done.stderr).rstrip("\\n"), exit_code=done.returncode)

Server("demo", [execute_command]).serve()
"""


@pytest.fixture(params=["library", "polling", "shell"])
def volume(request: pytest.FixtureRequest, new_volume: Callable[[str], Any]) -> Any:
    made = new_volume("demo")

    def start() -> Any:
        if request.param == "shell":
            return made.start(["sh", str(SHELL), "demo"])
        return made.start_python(PYTHON, SYMPOZIUM_IPC_POLLING="1" if request.param == "polling" else "0")

    made.begin = start
    return made


def test_it_offers_and_answers(volume: Any) -> None:
    volume.begin()
    manifest = volume.manifest()
    assert [tool.name for tool in manifest.tools] == ["execute_command"]
    assert manifest.tools[0].parameters["required"] == ["command"]
    result = volume.call("c1", "execute_command", command="echo out; exit 3")
    assert (result.id, result.status, result.content, result.exit_code) == ("c1", "ok", "out", 3)
    assert volume.end() == 0


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "two\nlines",
        'quotes " and \\ back',
        "é ü € 😀",
        "tab\there",
        "$HOME `id` $(id) ; & |",
        "\x01\x1f",
        '"command": "x"',
        "\\u0041",
    ],
)
def test_text_comes_through_unchanged(volume: Any, text: str) -> None:
    volume.begin()
    volume.manifest()
    (volume.workspace / "in").write_text(text)
    assert volume.call("c1", "execute_command", command="cat in").content == text
    here = f"cat > out <<'END_OF_TEXT'\n{text}\nEND_OF_TEXT\n"
    volume.call("c2", "execute_command", command=here)
    assert (volume.workspace / "out").read_text() == text + "\n"
    # As a writer that escapes everything would put it.
    escaped = json.dumps({"id": "c3", "tool": "execute_command", "arguments": {"command": here}})
    if "😀" not in text:
        volume.root.write_bytes(f"{volume.directory}/requests/c3.json", escaped.encode())
        volume.result("c3")
        assert (volume.workspace / "out").read_text() == text + "\n"


def test_requests_from_before_it_came_up_are_answered(volume: Any) -> None:
    for number in range(5):
        volume.ask(f"c{number}", "execute_command", command=f"echo {number}")
    volume.begin()
    assert [volume.result(f"c{number}").content for number in range(5)] == [str(number) for number in range(5)]


def test_each_request_runs_once_also_with_two_servers(volume: Any) -> None:
    volume.begin()
    volume.begin()
    volume.manifest()
    for number in range(40):
        volume.ask(f"c{number}", "execute_command", command=f"echo {number} >> ran")
    for number in range(40):
        assert volume.result(f"c{number}").status == "ok"
    ran = (volume.workspace / "ran").read_text().split()
    assert sorted(ran, key=int) == [str(number) for number in range(40)]


def test_calls_run_at_the_same_time(volume: Any) -> None:
    """Each waits for what the other one makes: one after the other they would never end."""
    volume.begin()
    volume.manifest()
    wait = "touch {0}; n=0; while [ ! -e {1} ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n+1)); done; [ -e {1} ]"
    volume.ask("a", "execute_command", command=wait.format("a", "b"))
    volume.ask("b", "execute_command", command=wait.format("b", "a"))
    assert [volume.result(call).exit_code for call in "ab"] == [0, 0]


def test_it_ends_when_it_is_done(volume: Any) -> None:
    process = volume.begin()
    volume.manifest()
    assert process.poll() is None
    assert volume.end() == 0
    assert not [name for name in os.listdir(volume.ipc / volume.directory) if name.startswith(".")]
