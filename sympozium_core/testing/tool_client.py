"""Drives the tool server of a skill in the tests of its package, call by call; what every server has to keep is `testing.skill`.

with ToolClient(tmp_path, "k8s-ops", python_command("sympozium_skill_k8s_ops")) as server:
    assert "web" in server.done("k8s_get", kind="pods")
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sympozium_core.ipc.protocol import Manifest, ToolResult
from sympozium_core.testing.tool_server_bench import ServerBench

WITHIN = 30.0
"""Seconds that a call may take before the test has failed."""


class ToolClient:
    """`environment` is what the server sees beside its volumes."""

    def __init__(self, path: Path, name: str, command: Sequence[str], **environment: str) -> None:
        self._bench = ServerBench(path, name, command, environment)
        self.process: subprocess.Popen[bytes] = self._bench.start()

    def __enter__(self) -> ToolClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def workspace(self) -> Path:
        return self._bench.workspace

    def manifest(self) -> Manifest:
        return self._bench.manifest()

    def call(self, tool: str, **arguments: Any) -> ToolResult:
        return self._bench.result(self._bench.ask(tool, arguments), WITHIN)

    def done(self, tool: str, **arguments: Any) -> str:
        """What a call gave that must go well."""
        result = self.call(tool, **arguments)
        assert result.status == "ok", f"{tool}: {result.content}"
        return result.content

    def refused(self, tool: str, **arguments: Any) -> str:
        """What a call said that must fail."""
        result = self.call(tool, **arguments)
        assert result.status == "error", f"{tool} was not refused: {result.content}"
        return result.content

    def close(self) -> None:
        """Ends it as a bridge does. Fails where it does not end by itself, or has written anything."""
        try:
            self._bench.done()
            assert self._bench.ended("the server goes on after it was told that no more calls will come") == 0
            assert not self._bench.complaints(), self._bench.complaints()
        finally:
            self._bench.close()
