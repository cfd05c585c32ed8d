"""The bridge's side of one tool server: starts any program on a volume of its own, asks over files, and looks for what it leaves behind."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.ipc import layout
from sympozium_core.ipc.protocol import Manifest, ToolResult, parse_manifest, parse_tool_result
from sympozium_core.testing.program_bench import USUAL, ProgramBench


class ServerBench(ProgramBench):
    def __init__(
        self, path: Path, name: str, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.memory = path / "memory"
        self.memory.mkdir(parents=True)
        super().__init__(path, command, {names.ENV_MEMORY: str(self.memory), **(environment or {})})
        self.name = name
        self.directory = layout.server_dir(name)
        for folder_name in (layout.REQUESTS, layout.RESULTS):  # as the bridge does it, which may come first
            self.root.make_directory(f"{self.directory}/{folder_name}")
        self._calls = 0

    def up(self, **environment: str) -> Manifest:
        """Starts the server and waits for its manifest."""
        process = self.start(**environment)
        path = f"{self.directory}/{layout.MANIFEST}"
        self.until(
            lambda: self.root.exists(path) or process.poll() is not None,
            lambda: f"{path} does not appear; the server wrote: {self.complaints()}",
        )
        assert self.root.exists(path), f"the server ended with {process.poll()} and wrote: {self.complaints()}"
        return self.manifest()

    def manifest(self) -> Manifest:
        path = f"{self.directory}/{layout.MANIFEST}"
        self.until(lambda: self.root.exists(path), f"{path} does not appear")
        return parse_manifest(self.root.read_json(path, layout.MAX_MANIFEST), path)

    def new_call(self) -> str:
        self._calls += 1
        return f"call_{self._calls}"

    def ask(self, tool: str, arguments: Mapping[str, Any], *, call: str = "", seconds: float = 0.0, **more: Any) -> str:
        """Writes a request, which has to be answered in so many `seconds` if any are given; returns the call's id."""
        call = call or self.new_call()
        data = {"id": call, "tool": tool, "arguments": dict(arguments), **more}
        if seconds:
            data["deadline"] = time.time() + seconds
        self.root.write_json(f"{self.directory}/{layout.REQUESTS}/{call}.json", data)
        return call

    def ask_raw(self, name: str, data: bytes) -> None:
        """A file of any name and content among the requests, as a broken writer would leave it."""
        (self.ipc / self.directory / layout.REQUESTS / name).write_bytes(data)

    def answered(self, call: str) -> bool:
        return self.root.exists(f"{self.directory}/{layout.RESULTS}/{call}.json")

    def result(self, call: str, within: float = USUAL) -> ToolResult:
        path = f"{self.directory}/{layout.RESULTS}/{call}.json"
        self.until(
            lambda: self.answered(call), lambda: f"there is no result of {call}; the server wrote: {self.complaints()}", within
        )
        return parse_tool_result(self.root.read_json(path, layout.MAX_TOOL_RESULT), path)

    def raw_result(self, call: str) -> dict[str, Any]:
        return self.root.read_json(f"{self.directory}/{layout.RESULTS}/{call}.json", layout.MAX_TOOL_RESULT)

    def call(self, tool: str, arguments: Mapping[str, Any], **more: Any) -> ToolResult:
        return self.result(self.ask(tool, arguments, **more))

    def cancel(self, call: str) -> None:
        self.root.write_bytes(f"{self.directory}/{layout.CANCEL}/{call}", b"")

    def artifact(self, name: str) -> bytes:
        return self.root.read_bytes(f"{self.directory}/{layout.ARTIFACTS}/{name}", 1 << 30)

    def done(self) -> None:
        """Says that no more calls will come."""
        self.root.write_bytes(layout.DONE, b"")
