"""The cluster's processes, by name: what each was started with and which process it is lie in files, so that anyone may restart one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import ROOT, Layout


@dataclass(frozen=True)
class Command:
    """One process of the cluster."""

    name: str
    arguments: list[str]


@dataclass(frozen=True)
class Processes:
    """Starts, finds and ends the processes of one cluster. Works from any process in the cluster's namespaces."""

    layout: Layout

    def start(self, command: Command) -> None:
        """Starts a process that outlives its starter: its parent becomes the first process of the namespace, which reaps it."""
        file = self.layout.processes / f"{command.name}.json"
        file.write_text(json.dumps(asdict(command)))
        # The shell leaves its own number behind and becomes the process.
        script = 'echo $$ >"$0.part" && mv "$0.part" "$0" && exec "$@"'
        pid_file = self._pid_file(command.name)
        pid_file.unlink(missing_ok=True)
        with (self.layout.logs / f"{command.name}.log").open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", script, str(pid_file), *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.layout.environment(),
                cwd=ROOT,
                check=True,
            )
        wait_until(pid_file.exists, 10, f"{command.name} did not start")

    def again(self, name: str) -> None:
        """Starts a process that ended, as it was."""
        self.start(Command(**json.loads((self.layout.processes / f"{name}.json").read_text())))

    def pid(self, name: str) -> int | None:
        """The process's number, or None when it is not there (or is a zombie; one whose threads still end has its sockets still)."""
        try:
            pid = int(self._pid_file(name).read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            threads = len(os.listdir(f"/proc/{pid}/task"))
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if state in "ZX" and threads <= 1 else pid

    def end(self, name: str, number: signal.Signals = signal.SIGTERM, within: float = 20) -> None:
        """Sends the signal and waits until the process is gone; a process that is not there is gone.

        Raises:
            MachineError: It is still there.
        """
        pid = self.pid(name)
        if pid is None:
            return
        os.kill(pid, number)
        wait_until(lambda: self.pid(name) is None, within, f"{name} (process {pid}) is still there after {number.name}")

    def log(self, name: str, lines: int = 15) -> str:
        """The end of what a process wrote."""
        text = (self.layout.logs / f"{name}.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, name: str, ready: Callable[[], bool], within: float) -> None:
        """Waits until a started process is at work.

        Raises:
            MachineError: It ended, or it is late; with the end of its log.
        """

        def settled() -> bool:
            if self.pid(name) is None:
                raise MachineError(f"{name} ended while it started; its log ends with:\n{self.log(name)}")
            return ready()

        try:
            wait_until(settled, within, f"{name} is not at work")
        except MachineError as error:
            raise MachineError(f"{error}\n{self.log(name)}" if "its log" not in str(error) else str(error)) from None

    def _pid_file(self, name: str) -> Path:
        return self.layout.processes / f"{name}.pid"


def wait_until(condition: Callable[[], bool], within: float, otherwise: str) -> None:
    """Waits for a condition, looking ten times a second.

    Raises:
        MachineError: It did not hold within so many seconds.
    """
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise MachineError(f"{otherwise} (waited {within:g} s)")
        time.sleep(0.1)
