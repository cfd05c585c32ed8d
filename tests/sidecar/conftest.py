"""A tool server as a real process, with the test as the bridge on the other side of its volume."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import MAX_TOOL_RESULT
from sympozium_core.ipc.protocol import Manifest, ToolResult, parse_manifest, parse_tool_result


class Volume:
    """The bridge's side. `environment` is what the server sees beside its volumes."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.workspace = path / "workspace"
        self.ipc = path / "ipc"
        for folder in (self.workspace, self.ipc, path / "tmp"):
            folder.mkdir(parents=True)
        self.root = Root(self.ipc)
        self.directory = f"tools/{name}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "SYMPOZIUM_IPC": str(self.ipc),
            "SYMPOZIUM_WORKSPACE": str(self.workspace),
            "SYMPOZIUM_TMP": str(path / "tmp"),
        }

    def start(self, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, env={**self.environment, **environment}, stderr=subprocess.PIPE, start_new_session=True
        )
        self.processes.append(process)
        return process

    def start_python(self, code: str, **environment: str) -> subprocess.Popen[bytes]:
        (self.path / "server.py").write_text(code)
        return self.start([sys.executable, str(self.path / "server.py")], **environment)

    def manifest(self) -> Manifest:
        path = f"{self.directory}/manifest.json"
        self.until(lambda: self.root.exists(path))
        return parse_manifest(self.root.read_json(path, 1 << 20), path)

    def ask(self, call: str, tool: str, deadline: float = 0.0, **arguments: Any) -> None:
        data = {"id": call, "tool": tool, "arguments": arguments} | ({"deadline": deadline} if deadline else {})
        self.root.write_json(f"{self.directory}/requests/{call}.json", data)

    def answered(self, call: str) -> bool:
        return self.root.exists(f"{self.directory}/results/{call}.json")

    def result(self, call: str, timeout: float = 15.0) -> ToolResult:
        path = f"{self.directory}/results/{call}.json"
        self.until(lambda: self.answered(call), timeout)
        return parse_tool_result(self.root.read_json(path, MAX_TOOL_RESULT), path)

    def call(self, call: str, tool: str, **arguments: Any) -> ToolResult:
        self.ask(call, tool, **arguments)
        return self.result(call)

    def artifact(self, name: str) -> bytes:
        return self.root.read_bytes(f"{self.directory}/artifacts/{name}", 1 << 30)

    def until(self, condition: Callable[[], Any], timeout: float = 15.0) -> Any:
        end = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.002)
        return value

    def end(self) -> int:
        """The last server's exit code after `done`."""
        self.root.write_bytes("done", b"")
        return self.processes[-1].wait(10)

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()
        self.root.close()


@pytest.fixture
def new_volume(tmp_path: Path) -> Iterator[Callable[[str], Volume]]:
    made: list[Volume] = []

    def new(name: str) -> Volume:
        made.append(Volume(tmp_path / f"volume{len(made)}", name))
        return made[-1]

    yield new
    for volume in made:
        volume.close()
