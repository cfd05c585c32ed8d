"""Control groups, where this user may write them: they bound a container as a whole, which limits of one process cannot.

Root may, in most places; an ordinary user may where its service manager delegates a group to it. Both versions are spoken: version 2
(cgroups(7), one tree) and version 1 (one tree a controller). Nothing here is needed for a pod to run.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sympozium_sandbox_process.limits import Limits

PREFIX = "sympozium-"
_CPU_PERIOD = 100_000
"""Microseconds; the kernel's default."""


@dataclass(frozen=True)
class Group:
    """The control group of one container: a folder, or in version 1 one folder a controller."""

    folders: dict[str, Path]
    """By controller: ``memory``, ``pids``, ``cpu``."""
    version: Literal[1, 2]

    def join(self) -> None:
        """Moves the calling process in; what it forks from now on belongs to the group too."""
        for folder in dict.fromkeys(self.folders.values()):
            (folder / "cgroup.procs").write_text("0")

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group because the group was full."""
        folder = self.folders.get("memory")
        if folder is None:
            return False
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        try:
            lines = (folder / name).read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def members(self) -> set[int]:
        found: set[int] = set()
        for folder in dict.fromkeys(self.folders.values()):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        return found - {0}

    def remove(self) -> bool:
        """False while the kernel still counts a dying process in it: to be asked again."""
        gone = True
        for folder in dict.fromkeys(self.folders.values()):
            with contextlib.suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except OSError:
                    gone = False
        return gone


class Groups:
    """Where one launcher makes the groups of its containers."""

    def __init__(self, parents: dict[str, Path], version: Literal[1, 2], name: str) -> None:
        self._parents = parents
        self._version = version
        self._name = name
        self._made = 0

    def make(self) -> Group | None:
        """A new group without limits, or None when the machine will not have it: rlimits hold all the same."""
        self._made += 1
        group = Group({}, self._version)
        try:
            for controller, parent in self._parents.items():
                folder = parent / f"{self._name}-{os.getpid()}-{self._made}"
                folder.mkdir(exist_ok=True)
                group.folders[controller] = folder
        except OSError:
            group.remove()
            return None
        return group

    def limit(self, group: Group, limits: Limits) -> None:
        """Raises OSError when a limit cannot be set: then the container must not start."""
        for controller, folder in group.folders.items():
            self._limit(controller, folder, limits)

    def _limit(self, controller: str, folder: Path, limits: Limits) -> None:
        if controller == "pids":
            (folder / "pids.max").write_text(str(limits["processes"]))
        elif controller == "cpu" and self._version == 2:
            (folder / "cpu.max").write_text(f"{max(1000, int(limits['cpu'] * _CPU_PERIOD))} {_CPU_PERIOD}")
        elif controller == "cpu":
            (folder / "cpu.cfs_quota_us").write_text(str(max(1000, int(limits["cpu"] * _CPU_PERIOD))))
        elif self._version == 2:
            (folder / "memory.max").write_text(str(limits["memory"]))
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
        else:
            (folder / "memory.limit_in_bytes").write_text(str(limits["memory"]))

    def sweep(self) -> None:
        """Removes the groups that an earlier launcher of the same name left; their processes have been ended before."""
        deadline = time.monotonic() + 1.0
        for parent in dict.fromkeys(self._parents.values()):
            for folder in parent.glob(f"{self._name}-*"):
                group = Group({"": folder}, self._version)
                while not group.remove() and time.monotonic() < deadline:
                    time.sleep(0.01)


def find(name: str) -> Groups | None:
    """Tries where groups can be made; `name` tells the groups of one data directory from those of another."""
    name = PREFIX + name
    own = _own_groups()
    if "" in own:
        for parent in (own[""], own[""].parent):
            controllers = _controllers(parent)
            if "pids" in controllers and "memory" in controllers and _writable(parent, name):
                return Groups({each: parent for each in ("memory", "pids", "cpu") if each in controllers}, 2, name)
    parents: dict[str, Path] = {
        each: own[each] for each in ("memory", "pids", "cpu") if each in own and _writable(own[each], name)
    }
    return Groups(parents, 1, name) if parents else None


def _controllers(folder: Path) -> list[str]:
    """What a new group in this folder could bound (version 2)."""
    try:
        return (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return []


def _writable(parent: Path, name: str) -> bool:
    """Whether a group can be made here and a process moved into it, by doing so with a child."""
    probe = Group({"": parent / f"{name}-probe{os.getpid()}"}, 2)
    try:
        probe.folders[""].mkdir()
    except OSError:
        return False
    pid = os.fork()
    if pid == 0:
        try:
            probe.join()
            os._exit(0)
        finally:
            os._exit(1)
    moved = os.waitpid(pid, 0)[1] == 0
    while not probe.remove():
        time.sleep(0.001)
    return moved


def _own_groups() -> dict[str, Path]:
    """The folder of this process's own group, by controller of version 1; the empty key is version 2 (proc(5), cgroups(7))."""
    mounts: dict[str, Path] = {}
    found: dict[str, Path] = {}
    try:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            left, _, right = line.partition(" - ")
            kind, _, options = right.split(" ", 2)
            if kind == "cgroup2":
                mounts[""] = Path(left.split(" ")[4])
            elif kind == "cgroup":
                mounts.update((each, Path(left.split(" ")[4])) for each in options.split(","))
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for each in controllers.split(","):
                if each in mounts:
                    found[each] = mounts[each] / path.lstrip("/")
    except (OSError, ValueError):
        return {}
    return {each: folder for each, folder in found.items() if folder.is_dir()}
