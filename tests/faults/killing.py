"""`kill -9` of one process of a run, by what it is to the run."""

from __future__ import annotations

import contextlib
import os
import signal

from sympozium_core.contracts.cluster import Object
from sympozium_core.testing import leftovers
from sympozium_core.testing.embedded import ServerProcess

PROCESSES = ("agent", "bridge", "skill", "launcher", "server")
MODULES = {"agent": "sympozium_core.runner", "bridge": "sympozium_core.bridge", "skill": "sympozium_skill_shell"}
CONTAINERS = {"agent": "agent", "bridge": "bridge", "skill": "skill-shell"}


def main_process(run: Object, process: str) -> int | None:
    """The interpreter of a container, not what a sandbox has put around it. None when it is not there (any more)."""
    found = leftovers.of_run(run, CONTAINERS[process])
    # A bridge that was forked has its launcher's arguments.
    programs = [each for each in found if each.runs_module(MODULES[process]) or not each.pod]
    return programs[-1].pid if programs else None


async def kill(server: ServerProcess, run: Object, process: str) -> None:
    """SIGKILL; a server is started again on the same data. A process that has ended by now is left alone."""
    if process == "server":
        await server.kill()
        await server.start()
        return
    if process == "launcher":
        pid: int | None = leftovers.launcher_of(server.pid).pid
    else:
        pid = main_process(await server.plane.now(run), process)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # between the look and the kill
            os.kill(pid, signal.SIGKILL)
