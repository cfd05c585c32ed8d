"""Limits of one container by setrlimit(2), applied in the child between fork and exec.

They are limits of one process each, except the number of processes, which the kernel counts by user. Where control groups can be
written, `cgroups` bounds the container as a whole beside them.
"""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TypedDict

SLACK = 512
"""Processes that the user may start elsewhere before a container feels it: the kernel counts all of one user together."""


class Limits(TypedDict):
    memory: int
    """Bytes."""
    processes: int
    file_size: int
    """Bytes of one file."""
    cpu: float
    """Cores; acts only by control group."""


def apply(limits: Limits, running: int) -> None:
    """Narrows this process for good. `running` is how many tasks its user has already.

    Memory is bounded by RLIMIT_DATA, which counts what can be written (since Linux 4.7), not by RLIMIT_AS, which counts reservations:
    each thread of glibc reserves 64 MiB, and node, Go and Java reserve many times what they use.
    """
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_DATA, limits["memory"])
    _bound(resource.RLIMIT_FSIZE, limits["file_size"])
    _bound(resource.RLIMIT_NPROC, running + limits["processes"] + SLACK)


def _bound(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def tasks_of_user() -> int:
    """Threads that this user runs now, which RLIMIT_NPROC counts."""
    total, user = 0, os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if os.stat(f"/proc/{name}").st_uid == user:
                    with open(f"/proc/{name}/stat", "rb") as file:
                        text = file.read()
                    total += int(text[text.rindex(b")") + 2 :].split()[17])
    return total
