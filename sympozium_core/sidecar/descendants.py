"""Ends every process that a command has left, also one that has taken itself out of the command's process group.

The server makes itself the reaper of its descendants (prctl(2), PR_SET_CHILD_SUBREAPER): what a command leaves behind becomes the server's own
child and can be found. Processes of a call are known by its mark in their environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

ENV_CALL = "SYMPOZIUM_CALL"
"""In the environment of every process of a command: the call's id."""
_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 5.0

_lock = threading.Lock()
_leaders: set[int] = set()
"""Commands that run now: `subprocess` reaps these itself, everything else that is dead is reaped here."""


def adopt_descendants() -> None:
    """Orphans become children of this process from here on. Quietly nothing where the system cannot."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(begin: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Starts a command so that nobody else reaps it."""
    with _lock:
        process = begin()
        _leaders.add(process.pid)
    return process


def end_group(leader: int) -> None:
    """Kills the process group of a command. Only while its leader is not reaped: then its number cannot mean another."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def end_strays(call: str, leader: int) -> None:
    """Kills and reaps what is left of a call after its group is dead and its leader reaped. Returns when nothing is."""
    end = time.monotonic() + _PATIENCE
    mark = f"{ENV_CALL}={call}".encode()
    with _lock:
        _leaders.discard(leader)
    if not _has_children():
        return
    while (found := children()) and time.monotonic() < end:
        strays = [pid for pid in found if _belongs(pid, mark, leader)]
        if not strays:
            _reap_the_dead(found)
            return
        for pid in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            # It is a child and dead, or dying: this does not wait long. Its own children come to us in the next round.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _has_children() -> bool:
    """One system call for what is nearly always so: that nothing is left."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _reap_the_dead(found: list[int]) -> None:
    """Those that have left their group and died by themselves; the lock keeps a command that is being started out of this."""
    with _lock:
        for pid in found:
            if pid not in _leaders and _state(pid) == b"Z":
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _state(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1]
    except OSError:
        return b""


def children() -> list[int]:
    """Direct children of this process, of all its threads."""
    found: list[int] = []
    try:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{thread}/children", encoding="ascii") as file:
                found += [int(pid) for pid in file.read().split()]
    except OSError:
        return []
    return found


def _belongs(pid: int, mark: bytes, leader: int) -> bool:
    """A dead process has no environment any more, but still its group."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, _, group = file.read().rpartition(b") ")[2].split(b" ")[:3]
        if int(group) == leader:
            return True
        if state == b"Z":
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read().split(b"\0")
    except (OSError, ValueError):
        return False
