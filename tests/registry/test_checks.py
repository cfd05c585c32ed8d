"""The check: each plugin in a process of its own, whatever it does there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.names import GROUP_HARNESSES, GROUP_HOOKS, GROUP_SKILLS
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.checks import check_all
from sympozium_core.registry.record import Record

GOOD = "from sympozium_core.contracts.skill import Skill\nclass P(Skill):\n    pass\n"
HOOK = "from sympozium_core.hooks import hookimpl\n@hookimpl\ndef sympozium_{}(event): pass\n"

CASES: dict[str, tuple[str, str, str]] = {
    "good": (GROUP_SKILLS, GOOD, ""),
    "chatty": (GROUP_SKILLS, "import sys\nprint('{\"ok\": false}')\nsys.stderr.write('x' * 500_000)\n" + GOOD, ""),
    "threaded": (GROUP_SKILLS, "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n" + GOOD, ""),
    "daemon": (GROUP_SKILLS, "import subprocess\nsubprocess.Popen(['sleep', '60'])\n" + GOOD, ""),
    "raises": (GROUP_SKILLS, "raise ValueError('no')", "ValueError: no"),
    "wrong": (GROUP_SKILLS, "class P: pass", "P is not a subclass of sympozium_core.contracts.skill.Skill"),
    "exits": (GROUP_SKILLS, "import os; os._exit(0)", "its process ended with exit code 0"),
    "crashes": (GROUP_SKILLS, "import os; os.write(2, b'boom\\n'); os.abort()", "its process ended with signal SIGABRT: boom"),
    "hook": (GROUP_HOOKS, HOOK.format("run_event"), ""),
    "misspelt": (
        GROUP_HOOKS,
        HOOK.format("run_events"),
        "there is no hook sympozium_run_events; did you mean sympozium_run_event?",
    ),
    "harness": (GROUP_HARNESSES, "class P: pass", "P is not a subclass of sympozium_core.contracts.harness.Harness"),
}


async def test_each_is_checked_by_itself_and_recorded(packages: Any, tmp_path: Path) -> None:
    for name, (group, source, _) in CASES.items():
        packages.install(f"case-{name}", {group: {name: f"case_{name}" + ("" if group == GROUP_HOOKS else ":P")}}, source)
    record = Record.in_directory(tmp_path)
    results = await check_all(installed(path=packages.path), record=record, timeout=30)
    assert {each.entry.name: each.reason for each in results} == {name: reason for name, (_, _, reason) in CASES.items()}
    assert {name: state.ok for (_, name), state in record.read().items()} == {
        name: not reason for name, (_, _, reason) in CASES.items()
    }
    assert not any(name.startswith("case_") for name in sys.modules)


async def test_one_that_hangs_ends_in_time_and_leaves_no_process(packages: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = f"""
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
with open({str(pids)!r}, "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    packages.install("hanging", {GROUP_SKILLS: {"hanging": "hanging:P"}}, source)
    began = time.monotonic()
    (result,) = await check_all(installed(path=packages.path), timeout=2.0)
    assert result.reason == "loading it took longer than 2 s"
    assert time.monotonic() - began < 10
    deadline = time.monotonic() + 5
    for pid in map(int, pids.read_text().split()):
        while _alive(pid):
            assert time.monotonic() < deadline, f"process {pid} is left"
            os.sched_yield()


async def test_a_conflict_is_told_without_a_process(packages: Any) -> None:
    packages.install("one", {GROUP_SKILLS: {"same": "one:P"}}, GOOD)
    packages.install("two", {GROUP_SKILLS: {"same": "two:P"}}, GOOD)
    results = await check_all(installed(path=packages.path))
    assert [(each.entry.distribution, each.reason) for each in results] == [
        ("one", "package two claims the same name; uninstall one"),
        ("two", "package one claims the same name; uninstall one"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "usage: "),
        ([GROUP_SKILLS, "nothing"], 1, "no plugin named 'nothing' is installed in sympozium.skills"),
        (["sympozium.nonsense", "x"], 1, "'sympozium.nonsense' is no entry point group"),
    ],
)
def test_the_program(arguments: list[str], code: int, said: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-P", "-m", "sympozium_core.registry.check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert answer.returncode == code
    assert said in answer.stdout + answer.stderr


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
