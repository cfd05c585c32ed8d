"""What a running call says to people who watch: seldom, bounded, and never in the way of its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

CODE = """
import time
from sympozium_core.sidecar import Call, Outcome, Server, tool
from sympozium_core.sidecar.command import Command, run_command

@tool
def work(call: Call, steps: int, pause: float) -> str:
    "Work in steps."
    for step in range(steps):
        call.say(f"step {step}\\n")
        time.sleep(pause)
    return "worked"

@tool
def command(line: str, call: Call) -> Outcome:
    "Run a command."
    done = run_command(Command(["sh", "-c", line], "/", {"PATH": "/usr/bin:/bin"}, 60), call)
    return Outcome(done.stdout)

Server("demo", [work, command]).serve()
"""


@pytest.fixture
def volume(new_volume: Callable[[str], Any]) -> Any:
    made = new_volume("demo")
    made.start_python(CODE)
    made.manifest()
    return made


def said(volume: Any, call: str) -> list[str]:
    names = sorted(volume.root.names(f"{volume.directory}/progress"), key=lambda name: int(name.split(".")[1]))
    found = [
        volume.root.read_json(f"{volume.directory}/progress/{name}", 1 << 16) for name in names if name.startswith(f"{call}.")
    ]
    assert all(each["id"] == call for each in found)
    return [each["text"] for each in found]


def test_a_short_call_says_nothing(volume: Any) -> None:
    volume.call("c1", "work", steps=5, pause=0)
    volume.call("c2", "command", line="seq 1000")
    assert not said(volume, "c1")
    assert not said(volume, "c2")


def test_a_long_call_says_all_of_it_in_few_words(volume: Any) -> None:
    begin = time.monotonic()
    assert volume.call("c1", "work", steps=60, pause=0.02).content == "worked"
    words = said(volume, "c1")
    assert 1 <= len(words) <= (time.monotonic() - begin) / 0.5 + 1
    told = "".join(words).splitlines()
    assert told == [f"step {number}" for number in range(len(told))], "in order, and nothing left out on the way"


def test_output_of_a_command_is_told_while_it_runs(volume: Any) -> None:
    volume.ask("c1", "command", line="echo begun; echo trouble >&2; sleep 60")
    volume.until(lambda: said(volume, "c1"))
    assert sorted("".join(said(volume, "c1")).split()) == ["begun", "trouble"]
    assert not volume.answered("c1")
    volume.root.write_bytes(f"{volume.directory}/cancel/c1", b"")
    assert volume.result("c1").content == "begun\n"


def test_a_flood_is_told_in_part(volume: Any) -> None:
    volume.ask("c1", "command", line="while :; do seq 100000; done")
    volume.until(lambda: len(said(volume, "c1")) >= 2)
    volume.root.write_bytes(f"{volume.directory}/cancel/c1", b"")
    volume.result("c1")
    assert max(map(len, said(volume, "c1"))) <= 4_000
