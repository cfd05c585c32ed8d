"""The folder of a pod: what is made, what survives an interruption, what is left."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sympozium_sandbox_process import podfiles
from sympozium_sandbox_process.podfiles import PodFiles

from sympozium_core.contracts.plan import Container, PodPlan, SkillText
from sympozium_core.contracts.sandbox import ContainerStatus
from sympozium_core.errors import Permanent

PLAN = PodPlan(
    (
        Container("bridge", "bridge", ("true",)),
        Container("agent", "agent", ("true",)),
        Container("skill-shell", "skill", ("true",)),
    ),
    skills=(SkillText("pack", "name", "about", "text"),),
)


def test_layout_and_rights(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "pod-a")
    files.make(PLAN, None)
    files.write_credential("unix:///x", "t", "pod-a")
    found = {str(path.relative_to(files.root)): path for path in files.root.rglob("*")}
    assert {
        "volumes/agent/input",
        "volumes/agent/output",
        "volumes/agent/control",
        "volumes/agent/tools",
        "volumes/skill-shell/tools",
        "workspace",
        "tmp/agent",
        "skills/pack/name.md",
        "bridge/credential.json",
        "logs",
    } <= set(found)
    assert not any(name.startswith("volumes/bridge") for name in found)
    assert {
        stat.S_IMODE(path.stat().st_mode)
        for path in (files.root, *found.values())
        if path.is_dir() and path.parent != files.skills
    } == {0o700}


def test_making_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    first, second = PodFiles(tmp_path, "first"), PodFiles(tmp_path, "second")
    first.make(PLAN, None)
    (first.workspace / "work").write_text("dear")
    second.make(PLAN, first)
    second.make(PLAN, first)
    second.write_credential("a", "t", "second")
    second.write_credential("a", "t2", "second")
    assert (second.workspace / "work").read_text() == "dear"
    assert not first.workspace.exists()


def test_a_kept_workspace_is_all_that_is_kept_and_goes_with_the_next_pod(tmp_path: Path) -> None:
    first, second = PodFiles(tmp_path, "first"), PodFiles(tmp_path, "second")
    first.make(PLAN, None)
    first.delete(keep_workspace=True)
    assert [path.name for path in first.root.iterdir()] == ["workspace"]
    second.make(PLAN, first)
    assert podfiles.listed(tmp_path) == ["second"]
    second.delete(keep_workspace=False)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_removal_is_finished_later(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "pod-a")
    files.make(PLAN, None)
    files.root.rename(tmp_path / f"{podfiles.REMOVING}pod-a-1234")
    assert podfiles.listed(tmp_path) == []
    podfiles.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_state_is_read_back(tmp_path: Path) -> None:
    files = PodFiles(tmp_path, "pod-a")
    assert files.read_state("lost") is None
    files.make(PLAN, None)
    files.write_state({"agent": ContainerStatus("ended", 3, True, "words"), "bridge": ContainerStatus("running")})
    assert files.read_state("lost") == {
        "agent": ContainerStatus("ended", 3, True, "words"),
        "bridge": ContainerStatus("ended", -9, False, "lost"),
    }


@pytest.mark.parametrize("text", ["", "{", "[]", '{"agent": 1}', '{"agent": {}}', "\udcff"])
def test_broken_state_counts_as_ended(tmp_path: Path, text: str) -> None:
    files = PodFiles(tmp_path, "pod-a")
    files.make(PLAN, None)
    files.state.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert files.read_state("lost") == {}


@pytest.mark.parametrize("pod_id", ["", ".", "..", "a/b", "A", "a_b", "-a", "a-", "a" * 64, "a\n"])
def test_only_labels_are_pods(tmp_path: Path, pod_id: str) -> None:
    with pytest.raises(Permanent):
        PodFiles(tmp_path, pod_id)
