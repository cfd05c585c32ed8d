"""What runs on this machine, read from /proc: who descends from whom, and which processes carry a pod's marker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """One line of the process table, from ``/proc/<pid>/stat`` (proc_pid_stat(5))."""

    pid: int
    parent: int
    session: int
    state: str
    started: int
    """Clock ticks since boot; with the pid it names a process for good."""


Table = Mapping[int, Entry]


def snapshot() -> dict[int, Entry]:
    """Every process that this one may see. A process that ends while it is read is left out."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (entry := read_entry(int(name))) is not None:
            table[entry.pid] = entry
    return table


def read_entry(pid: int) -> Entry | None:
    """None when there is no such process (any more)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The command name stands in parentheses and may hold anything, parentheses and spaces too.
    rest = text[text.rindex(b")") + 2 :].split()
    return Entry(pid, int(rest[1]), int(rest[3]), rest[0].decode(), int(rest[19]))


def children(table: Table) -> dict[int, list[int]]:
    below: dict[int, list[int]] = {}
    for entry in table.values():
        below.setdefault(entry.parent, []).append(entry.pid)
    return below


def subtree(below: Mapping[int, list[int]], roots: Iterable[int]) -> set[int]:
    """The roots and everything that descends from them."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(below.get(pid, ()))
    return found


def environment(pid: int) -> Mapping[bytes, bytes]:
    """The environment that a process was started with; empty when it may not be read or the process has cleared it."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            text = file.read()
    except OSError:
        return {}
    pairs = (item.partition(b"=") for item in text.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def marked(name: str, values: Iterable[str]) -> dict[str, set[int]]:
    """Live processes that carry ``name=<one of values>``, by value. This one is never among them."""
    wanted = {value.encode(): value for value in values}
    found: dict[str, set[int]] = {}
    if not wanted:
        return found
    key = name.encode()
    for entry in snapshot().values():
        if entry.state != "Z" and entry.pid != os.getpid():
            value = wanted.get(environment(entry.pid).get(key, b""))
            if value is not None:
                found.setdefault(value, set()).add(entry.pid)
    return found


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def end_marked(name: str, values: Iterable[str], *, within: float = 5.0) -> dict[str, set[int]]:
    """Kills whatever carries one of the markers, again and again, since a process may have forked in between.

    Returns what is left after `within` seconds: empty unless a process hangs in the kernel or belongs to another user.
    """
    values = list(values)
    deadline = time.monotonic() + within
    while found := marked(name, values):
        for pids in found.values():
            kill(subtree(children(snapshot()), pids) - {os.getpid()})
        if time.monotonic() > deadline:
            return found
        time.sleep(0.005)
    return {}
