"""The skill's own tool server, as the process that `ShellSkill.module` names, on a volume of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sympozium_skill_shell import ShellSkill

from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import Manifest, ToolResult, parse_manifest, parse_tool_result
from sympozium_core.sidecar.interpreter import python_command

DIRECTORY = "tools/shell"


class Shell:
    """The bridge's side of the volume."""

    def __init__(self, path: Path, **environment: str) -> None:
        self.workspace, self.ipc, self.temporary = path / "workspace", path / "ipc", path / "tmp"
        for folder in (self.workspace, self.ipc, self.temporary):
            folder.mkdir()
        self.root = Root(self.ipc)
        given = {
            "SYMPOZIUM_IPC": str(self.ipc),
            "SYMPOZIUM_WORKSPACE": str(self.workspace),
            "SYMPOZIUM_TMP": str(self.temporary),
            "SYMPOZIUM_POD": f"test-pod-{os.getpid()}-{time.monotonic_ns()}",
            "SECRET_TOKEN": "do-not-show",
            "SKILL_REGION": "north",
            **environment,
        }
        self.pod = given["SYMPOZIUM_POD"]
        self.process = subprocess.Popen(python_command(ShellSkill().module()), env=given, stderr=subprocess.PIPE)
        self.count = 0

    def manifest(self) -> Manifest:
        path = f"{DIRECTORY}/manifest.json"
        self.until(lambda: self.root.exists(path))
        return parse_manifest(self.root.read_json(path, 1 << 20), path)

    def ask(self, command: str, argv: list[str] | None = None, **arguments: Any) -> str:
        self.count += 1
        call = f"c{self.count}"
        data = {"id": call, "tool": "execute_command", "arguments": {"command": command, **arguments}, "argv": argv}
        self.root.write_json(f"{DIRECTORY}/requests/{call}.json", data)
        return call

    def result(self, call: str) -> ToolResult:
        path = f"{DIRECTORY}/results/{call}.json"
        self.until(lambda: self.root.exists(path))
        return parse_tool_result(self.root.read_json(path, 1 << 21), path)

    def run(self, command: str, **arguments: Any) -> ToolResult:
        return self.result(self.ask(command, **arguments))

    def until(self, condition: Callable[[], Any], timeout: float = 15.0) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.002)

    def processes(self) -> list[int]:
        """Every process that carries the mark of this pod, but the server: by the marker, so that nothing can hide by leaving a group."""
        mark = f"SYMPOZIUM_POD={self.pod}".encode()
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
            except OSError:
                continue
        return [pid for pid in found if pid != self.process.pid]

    def close(self) -> None:
        if self.process.poll() is None:
            self.root.write_bytes("done", b"")
            assert self.process.wait(10) == 0
        assert self.process.stderr is not None
        words = self.process.stderr.read().decode()
        self.process.stderr.close()
        self.root.close()
        assert not self.processes(), "a process of a command has outlived the server"
        assert not words, words


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.close()
