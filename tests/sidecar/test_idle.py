"""A tool server that waits must wait: one that turns in a circle takes a processor from everybody else on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SERVER = """
from sympozium_core.sidecar import Server, tool

@tool
def echo(text: str) -> str:
    "Says it again."
    return text

Server("echo", [echo]).serve()
"""
WATCHED = 0.5


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.005)


def test_a_server_that_has_answered_rests(tmp_path: Path) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], env={**os.environ, "SYMPOZIUM_IPC": str(tmp_path)})
    try:
        place = tmp_path / "tools/echo"
        until(place / "manifest.json")
        for number in range(3):
            request = place / f"requests/.c{number}"
            request.write_text(json.dumps({"id": f"c{number}", "tool": "echo", "arguments": {"text": "hi"}}))
            request.rename(place / f"requests/c{number}.json")
            until(place / f"results/c{number}.json")
        before = processor_seconds(server.pid)
        time.sleep(WATCHED)
        assert processor_seconds(server.pid) - before < WATCHED / 4
    finally:
        (tmp_path / "done").touch()
        server.wait(timeout=10)
