"""``python -m sympozium_core.processes.tool_child COMMAND…``: runs an MCP server on this machine, and leaves nothing of it.

Whoever starts this holds the other end of its standard input: when that closes, because its owner stops or has died, the command and all that it has
started end. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time

from sympozium_core.sidecar.descendants import adopt_descendants, children

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL."""
PATIENCE = 5.0


def main(command: list[str]) -> int:
    """The exit code of the command; 127 where there is none of that name."""
    adopt_descendants()
    ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    _until(child, ended)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE)
    _end_all()
    return child.returncode if child.returncode is not None else -signal.SIGKILL


def _until(child: subprocess.Popen[bytes], ended: int) -> None:
    """Returns when the child has ended, or is to end."""
    while child.poll() is None:
        readable, _, _ = select.select([0, ended], [], [])
        if 0 in readable and not os.read(0, 4096):
            return
        if ended in readable and any(number != signal.SIGCHLD for number in os.read(ended, 4096)):
            return


def _end_all() -> None:
    """Orphans of the command are this process's children: killed, and reaped, until there are none."""
    end = time.monotonic() + PATIENCE
    while (left := children()) and time.monotonic() < end:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit(code if code >= 0 else 128 - code)
