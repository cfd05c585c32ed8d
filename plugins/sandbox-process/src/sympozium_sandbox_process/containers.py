"""One container in the launcher: started in a slot, and followed until nothing of it is left."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import Literal

from sympozium_sandbox_process.logs import CHUNK, Log
from sympozium_sandbox_process.slots import ContainerSpec, Slot

_OUT_OF_MEMORY = (
    b"MemoryError",
    b"std::bad_alloc",
    b"Cannot allocate memory",
    b"heap out of memory",
    b"runtime: out of memory",
)
"""How Python, C++, the C library, node and Go say that an allocation failed, which is what RLIMIT_DATA leads to."""


class Container:
    """Its processes are one session, and whatever descends from it; `pid` is also the session's id."""

    def __init__(self, spec: ContainerSpec, slot: Slot, running: int) -> None:
        """Starts it; raises the OSError that setting it up or executing it met. `running`: tasks of this user, for its limit."""
        self.name = spec["name"]
        self.trusted = spec["trusted"]
        self.wrapped = spec["wrapped"]
        self.log = Log(spec["log"])
        self.group = slot.group
        self.state: Literal["running", "ending", "ended"] = "running"
        self.exit_code: int | None = None
        self.killed = False
        """The launcher killed it: not to be taken for the kernel's lack of memory."""
        self.asked = False
        """Has had its SIGTERM."""
        self._oom_kills = _machine_oom_kills()
        slot.start(spec, running)
        self.pid, self.outputs = slot.pid, slot.outputs

    def read(self, descriptor: int) -> bool:
        """Takes what is there from one of the outputs, at most a chunk; False at its end."""
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if data:
            self.log.write(data, error=self.outputs[descriptor] == "stderr")
        return bool(data)

    def drop(self, descriptor: int) -> None:
        self.outputs.pop(descriptor)
        os.close(descriptor)

    def exited(self, status: int) -> None:
        """Takes the wait status of the main process; everything else of the container is to be ended now."""
        code = os.waitstatus_to_exitcode(status)
        if self.wrapped and 128 < code < 128 + signal.NSIG:
            code = 128 - code  # The sandbox program tells a signal the way a shell does.
        self.exit_code = code
        self.state = "ending"

    def finish(self) -> None:
        """After the last process: what is still in the pipes, and the end of the log."""
        deadline = time.monotonic() + 0.2
        for descriptor in list(self.outputs):
            while time.monotonic() < deadline and _readable(descriptor) and self.read(descriptor):
                pass
            self.drop(descriptor)
        self.log.close()
        self.state = "ended"

    def out_of_memory(self) -> bool:
        """By the control group's own count where there is one. Otherwise by signs: killed by nobody here while the machine's count of
        such kills rose, or ended in failure with the words of a failed allocation on standard error."""
        if self.exit_code == 0:
            return False
        if self.group is not None and self.group.out_of_memory():
            return True
        if self.exit_code == -signal.SIGKILL and not self.killed and _machine_oom_kills() > self._oom_kills:
            return True
        last = self.log.tail[-512:]
        return not self.killed and any(words in last for words in _OUT_OF_MEMORY)


def _readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def _machine_oom_kills() -> int:
    try:
        with open("/proc/vmstat", "rb") as file:
            line = next((line for line in file if line.startswith(b"oom_kill ")), b"oom_kill 0")
    except OSError:
        return 0
    return int(line.split()[1])
