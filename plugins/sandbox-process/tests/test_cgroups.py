"""Control groups of both versions, on folders like theirs, and on the real ones where this user may write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sympozium_sandbox_process import cgroups
from sympozium_sandbox_process.limits import Limits

LIMITS: Limits = {"memory": 64 << 20, "processes": 7, "file_size": 1, "cpu": 0.5}


def test_limits_of_version_2(tmp_path: Path) -> None:
    groups = cgroups.Groups(dict.fromkeys(("memory", "pids", "cpu"), tmp_path), 2, "sympozium-x")
    group = groups.make()
    assert group is not None
    groups.limit(group, LIMITS)
    folder = group.folders["pids"]
    assert set(group.folders.values()) == {folder}
    assert (folder / "pids.max").read_text() == "7"
    assert (folder / "memory.max").read_text() == str(64 << 20)
    assert (folder / "cpu.max").read_text() == "50000 100000"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 0\n")
    assert not group.out_of_memory()
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert group.out_of_memory()


def test_limits_of_version_1(tmp_path: Path) -> None:
    parents = {name: tmp_path / name for name in ("memory", "pids")}
    for parent in parents.values():
        parent.mkdir()
    groups = cgroups.Groups(parents, 1, "sympozium-x")
    group = groups.make()
    assert group is not None
    groups.limit(group, LIMITS)
    assert (group.folders["pids"] / "pids.max").read_text() == "7"
    assert (group.folders["memory"] / "memory.limit_in_bytes").read_text() == str(64 << 20)
    (group.folders["memory"] / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.out_of_memory()


def test_no_group_where_none_can_be_made(tmp_path: Path) -> None:
    assert cgroups.Groups({"pids": tmp_path / "missing" / "deeper"}, 2, "sympozium-x").make() is None


def test_a_real_group_holds_a_process_and_is_swept() -> None:
    groups = cgroups.find(f"test{os.getpid()}")
    if groups is None:
        pytest.skip("this user may not write control groups here")
    group = groups.make()
    assert group is not None
    groups.limit(group, LIMITS)
    ready, wake = os.pipe()
    go, let = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            group.join()
            os.write(wake, b"x")
            os.read(go, 1)
        finally:
            os._exit(0)
    assert os.read(ready, 1) == b"x"
    assert group.members() == {pid}
    assert not group.remove()
    os.write(let, b"x")
    os.waitpid(pid, 0)
    groups.sweep()
    assert not any(folder.exists() for folder in group.folders.values())
    for descriptor in (ready, wake, go, let):
        os.close(descriptor)
