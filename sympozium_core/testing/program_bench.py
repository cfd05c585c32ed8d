"""One program of a pod on volumes of its own: starts it, waits for what it does, and looks for what it leaves behind."""

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

from sympozium_core import names
from sympozium_core.ipc import inotify
from sympozium_core.ipc.files import Root
from sympozium_core.testing.leftovers import Process, processes

PATIENCE = 60.0
"""Seconds after which nothing is waited for any more, whatever a check allows."""
USUAL = 15.0
"""Seconds after which what does not happen is taken as never happening."""
_LOOK = 0.002


class ProgramBench:
    """A volume, a workspace and a folder for temporary files, and the programs that were started on them."""

    def __init__(self, path: Path, command: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self.path, self.command = path, list(command)
        folders = [path / each for each in ("ipc", "workspace", "tmp", "home")]
        self.ipc, self.workspace, self.tmp, self.home = folders
        for folder in folders:
            folder.mkdir(parents=True)
        self.root = Root(self.ipc)
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
            names.ENV_POD: self.pod,
            **(environment or {}),
        }
        self.patience = PATIENCE

    def start(self, command: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
        """Starts the program, or another one, in a session of its own; what it writes to its outputs is in `complaints`."""
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

    def complaints(self) -> str:
        """The end of what the programs wrote to their outputs."""
        file = self.path / "stderr"
        return file.read_text("utf-8", "replace")[-2000:] if file.exists() else ""

    def until(self, holds: Callable[[], object], otherwise: str | Callable[[], str], within: float = USUAL) -> None:
        """Waits for what can only be looked at; raises AssertionError with `otherwise`, which a function says as it is then."""
        end = time.monotonic() + min(within, self.patience)
        while not holds():
            assert time.monotonic() < end, otherwise if isinstance(otherwise, str) else otherwise()
            time.sleep(_LOOK)

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
        """Live processes with the mark of this bench: whatever a program has started, however it took itself away."""
        return [" ".join(each.argv)[:200] for each in self._marked_processes()]

    def _marked_processes(self) -> list[Process]:
        return [each for each in processes() if each.pod == self.pod]

    @contextmanager
    def writes(self, folder: str) -> Iterator[list[tuple[str, str]]]:
        """How names come into a folder of the volume while this is open: ``("made" | "moved", name)``, read when it closes."""
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
