"""One control group for all Pods of a cluster, so that what it leaves can be told from anyone else's and removed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from tests.kubernetes.machine.errors import MachineError

TREE = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer")
"""Hierarchies of version 1 that kubelet and runc use."""
PREFIX = "sympozium-kubernetes-"


def name_for(root: Path) -> str:
    """The control group of the cluster that lives in this folder."""
    return PREFIX + hashlib.sha256(str(root).encode()).hexdigest()[:10]


def _unified() -> bool:
    return (TREE / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    return (
        [TREE] if _unified() else [folder for folder in sorted(TREE.iterdir()) if folder.is_dir() and not folder.is_symlink()]
    )


def make(name: str) -> None:
    """Makes the group in every hierarchy, ready for children.

    Raises:
        MachineError: The kernel lacks a controller that kubelet needs.
    """
    if _unified():
        _make_unified(name)
        return
    present = {folder.name for folder in TREE.iterdir()} if TREE.exists() else set()
    missing = sorted(set(NEEDED) - present)
    if missing:
        raise MachineError(f"no control group hierarchy for {', '.join(missing)} under {TREE}; kubelet needs them")
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):  # empty in a new group, and then nothing may run in it
            if (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def _make_unified(name: str) -> None:
    offered = (TREE / "cgroup.controllers").read_text().split()
    missing = sorted({"cpu", "cpuset", "memory", "pids"} - set(offered))
    if missing:
        raise MachineError(f"control groups without {', '.join(missing)}; kubelet needs them")
    (TREE / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in offered))
    (TREE / name).mkdir(exist_ok=True)


def remove(name: str) -> None:
    """Removes the group and all below it; their processes are gone, but the kernel takes a moment to notice.

    Raises:
        MachineError: A process is still in one.
    """
    left = [hierarchy / name for hierarchy in _hierarchies() if (hierarchy / name).exists()]
    end = time.monotonic() + 10
    while left:
        left = [group for group in left if not _removed(group)]
        if left and time.monotonic() > end:
            raise MachineError(f"{left[0]} cannot be removed: a process is in it or below")
        time.sleep(0.05 if left else 0)


def _removed(group: Path) -> bool:
    try:
        for folder, _, _ in os.walk(group, topdown=False):  # leaves out what somebody else removes at the same time
            os.rmdir(folder)
    except OSError:  # busy for a moment more, or removed by someone else meanwhile
        return not group.exists()
    return True


def others(name: str) -> bool:
    """Whether a cluster other than this one has a group."""
    return any(folder.name != name for hierarchy in _hierarchies() for folder in hierarchy.glob(f"{PREFIX}*"))
