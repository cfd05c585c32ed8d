"""Measures tool servers and the kit for their authors. Run: ``python bench/bench_skills.py [--quick]``.

A call over files and back, of the library's server and of the documented one in shell; a server's start, until its manifest is there;
``sympozium plugins list`` with 100 packages; and how long the conformance suite of the skill `shell` takes. Milliseconds unless said otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sympozium_core.sidecar.interpreter import python_command
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.tool_server_bench import ServerBench

ROOT = Path(__file__).parents[1]
SHELL = ROOT / "docs" / "examples" / "shell-tool-server.sh"
PACKAGES = 100
HOOK = "from sympozium_core.hooks import hookimpl\n@hookimpl\ndef sympozium_run_event(event): pass\n"


def show(what: str, values: Sequence[float]) -> None:
    ordered = sorted(values)
    print(
        f"{what:58} median {statistics.median(ordered):9.3f}   p95 {ordered[int(len(ordered) * 0.95)]:9.3f}   least {ordered[0]:9.3f}"
    )


def server(title: str, name: str, command: Sequence[str], *, calls: int, starts: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        ups, trips = [], []
        for number in range(starts):
            bench = ServerBench(Path(scratch, str(number)), name, command)
            began = time.perf_counter()
            bench.up()
            ups.append((time.perf_counter() - began) * 1000)
            for _ in range(calls if number == 0 else 0):
                began = time.perf_counter()
                bench.call("execute_command", {"command": "true"})
                trips.append((time.perf_counter() - began) * 1000)
            bench.close()
    show(f"{title}: start, until its manifest is there", ups)
    show(f"{title}: a call of `true` and back", trips)


def listing(times: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        site = Path(scratch, "site")
        for number in range(PACKAGES):
            write_package(
                site, f"bench-{number}", {f"bench_{number}": HOOK}, {"sympozium.hooks": {f"b{number}": f"bench_{number}"}}
            )
        command = [sys.executable, "-m", "sympozium_core.cli.main", "plugins", "list", "--data-dir", str(Path(scratch, "data"))]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        took = []
        for _ in range(times):
            began = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            took.append((time.perf_counter() - began) * 1000)
        assert done.stdout.count("bench-") == PACKAGES
    show(f"plugins list, {PACKAGES} packages beside the bundled ones", took)


def suite() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_conformance.py"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT / "skills" / "shell", capture_output=True, text=True, check=True)
    print(f"conformance of the skill `shell`: {time.perf_counter() - began:.1f} s: {done.stdout.strip().splitlines()[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    much = {"calls": 50, "starts": 3} if quick else {"calls": 500, "starts": 15}
    server("library", "shell", python_command("sympozium_skill_shell"), **much)
    if shutil.which("jq"):
        server("shell", "demo", ["sh", str(SHELL), "demo"], calls=much["calls"] // 10, starts=much["starts"])
    listing(3 if quick else 15)
    if not quick:
        suite()


if __name__ == "__main__":
    main()
