"""The bridge's side of one tool server: starts any program on a volume of its own, asks over files, and looks for what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.ipc import inotify, layout
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import Manifest, ToolResult, parse_manifest, parse_tool_result
from sympozium_core.testing.leftovers import Process, processes

PATIENCE = 60.0
"""Seconds after which nothing is waited for any more, whatever a check allows."""
USUAL = 15.0
"""Seconds after which what does not happen is taken as never happening."""
_LOOK = 0.002


class ServerBench:
    """A volume, a workspace and a folder for temporary files, and the programs that were started on them."""

    def __init__(
        self, path: Path, name: str, command: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.path, self.name, self.command = path, name, list(command)
        folders = [path / each for each in ("ipc", "workspace", "tmp", "home", "memory")]
        self.ipc, self.workspace, self.tmp, self.home, self.memory = folders
        for folder in folders:
            folder.mkdir(parents=True)
        self.root = Root(self.ipc)
        self.directory = layout.server_dir(name)
        for folder_name in (layout.REQUESTS, layout.RESULTS):  # as the bridge does it, which may come first
            self.root.make_directory(f"{self.directory}/{folder_name}")
        self.pod = f"bench-{uuid.uuid4().hex[:12]}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            names.ENV_IPC: str(self.ipc),
            names.ENV_WORKSPACE: str(self.workspace),
            names.ENV_TMP: str(self.tmp),
            names.ENV_MEMORY: str(self.memory),
            names.ENV_POD: self.pod,
            **(environment or {}),
        }
        self.patience = PATIENCE
        self._calls = 0

    def start(self, command: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Starts the server, or another program, in a session of its own; its standard error is in `complaints`."""
        with open(self.path / "stderr", "ab") as errors:
            process = subprocess.Popen(
                list(command) or self.command,
                cwd=self.workspace,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def up(self, **environment: str) -> Manifest:
        """Starts the server and waits for its manifest."""
        process = self.start(**environment)
        path = f"{self.directory}/{layout.MANIFEST}"
        self.until(
            lambda: self.root.exists(path) or process.poll() is not None,
            f"{path} does not appear; the server wrote: {self.complaints()}",
        )
        assert self.root.exists(path), f"the server ended with {process.poll()} and wrote: {self.complaints()}"
        return self.manifest()

    def manifest(self) -> Manifest:
        path = f"{self.directory}/{layout.MANIFEST}"
        self.until(lambda: self.root.exists(path), f"{path} does not appear")
        return parse_manifest(self.root.read_json(path, layout.MAX_MANIFEST), path)

    def complaints(self) -> str:
        """The end of what the programs wrote to their outputs."""
        file = self.path / "stderr"
        return file.read_text("utf-8", "replace")[-2000:] if file.exists() else ""

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
        self.until(lambda: self.answered(call), f"there is no result of {call}; the server wrote: {self.complaints()}", within)
        return parse_tool_result(self.root.read_json(path, layout.MAX_TOOL_RESULT), path)

    def raw_result(self, call: str) -> dict[str, Any]:
        return self.root.read_json(f"{self.directory}/{layout.RESULTS}/{call}.json", layout.MAX_TOOL_RESULT)

    def call(self, tool: str, arguments: Mapping[str, Any], **more: Any) -> ToolResult:
        return self.result(self.ask(tool, arguments, **more))

    def cancel(self, call: str) -> None:
        self.root.write_bytes(f"{self.directory}/{layout.CANCEL}/{call}", b"")

    def artifact(self, name: str) -> bytes:
        return self.root.read_bytes(f"{self.directory}/{layout.ARTIFACTS}/{name}", 1 << 30)

    def until(self, holds: Callable[[], Any], otherwise: str, within: float = USUAL) -> None:
        """Waits for what can only be looked at; raises AssertionError with `otherwise`."""
        end = time.monotonic() + min(within, self.patience)
        while not holds():
            assert time.monotonic() < end, otherwise
            time.sleep(_LOOK)

    def done(self) -> None:
        """Says that no more calls will come."""
        self.root.write_bytes(layout.DONE, b"")

    def ended(self, otherwise: str, within: float = USUAL) -> int:
        """The exit code of the program that was started last."""
        self.until(lambda: self.processes[-1].poll() is not None, otherwise, within)
        return int(self.processes[-1].returncode)

    def own_files(self) -> list[str]:
        """Every file below the volume, relative to it."""
        return sorted(
            os.path.relpath(os.path.join(folder, name), self.ipc) for folder, _, names_ in os.walk(self.ipc) for name in names_
        )

    def left_running(self) -> list[str]:
        """Live processes with the mark of this bench: whatever a server has started, however it took itself away."""
        return [" ".join(each.argv)[:200] for each in self._marked_processes()]

    def _marked_processes(self) -> list[Process]:
        return [each for each in processes() if each.pod == self.pod]

    @contextmanager
    def writes(self, folder: str) -> Iterator[list[tuple[str, str]]]:
        """How names come into a folder of the server's while this is open: ``("made" | "moved", name)``, read when it closes."""
        seen: list[tuple[str, str]] = []
        watch = inotify.Inotify()
        descriptor = self.root.open_directory(folder, make=True)
        try:
            watch.add(descriptor)
            yield seen
            for _, mask, name in watch.read():
                if mask & (inotify.CREATE | inotify.MOVED_TO):
                    seen.append(("moved" if mask & inotify.MOVED_TO else "made", name))
        finally:
            os.close(descriptor)
            watch.close()

    def close(self) -> None:
        """Ends whatever still runs, by force."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in [each.pid for each in self._marked_processes()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.root.close()
