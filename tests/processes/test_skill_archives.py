"""Where a skill's code comes from: the image, an archive, its own image, or nowhere, and why."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.planning.inputs import MemoryBackend, SkillSource
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.testing.packages import write_package


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(str(tmp_path))
    write_package(tmp_path, "placed-skill", {"placed_skill.__main__": "print()\n"}, {})
    (tmp_path / "placed_skill-1.0.dist-info" / "top_level.txt").write_text("placed_skill\n")
    yield "placed_skill"
    for name in [each for each in sys.modules if each.startswith("placed_")]:
        del sys.modules[name]


def skill(module: str, **sidecar: Any) -> SkillSource:
    return SkillSource("s", {"spec": {"sidecar": sidecar}}, {}, ("here",), module)


def test_what_the_image_has_is_left_as_it_is(module: str) -> None:
    archives = SkillArchives(frozenset({("placed-skill", "1.0")}))
    assert archives.place(skill(module)) == skill(module)


def test_what_it_has_not_is_brought(module: str) -> None:
    archives = SkillArchives()
    placed = archives.place(skill(module))
    assert placed.module == module
    data = archives.data(placed.code)
    assert data is not None
    assert data.startswith(b"PK")
    assert archives.data("0" * 64) is None


def test_what_cannot_be_brought_is_served_by_the_packs_image_or_said(tmp_path: Path, module: str) -> None:
    (tmp_path / module / "fast.so").write_bytes(b"")
    archives = SkillArchives()
    assert archives.place(skill(module, image="acme/s:1")).module == ""
    assert "compiled code" in archives.place(skill(module)).problem


def test_a_skill_without_a_module_is_its_images() -> None:
    assert SkillArchives().place(skill("", image="acme/s:1")) == skill("", image="acme/s:1")


def kept(skill_module: str) -> SkillSource:
    return replace(skill(skill_module), backend=MemoryBackend("lines", "placed_lines.notes:Lines"))


@pytest.mark.parametrize(
    ("in_image", "brought"),
    [
        ({"placed-skill", "placed-lines"}, set()),
        ({"placed-skill"}, {"placed_lines"}),
        ({"placed-lines"}, {"placed_skill"}),
        (set(), {"placed_skill", "placed_lines"}),
    ],
)
def test_the_backend_of_a_memory_is_brought_where_the_image_has_it_not(
    module: str, tmp_path: Path, in_image: set[str], brought: set[str]
) -> None:
    write_package(tmp_path, "placed-lines", {"placed_lines.notes": "class Lines: pass\n"}, {})
    (tmp_path / "placed_lines-1.0.dist-info" / "top_level.txt").write_text("placed_lines\n")
    archives = SkillArchives(frozenset((name, "1.0") for name in in_image))
    placed = archives.place(kept(module))
    assert (placed.module, placed.problem) == (module, "")
    data = archives.data(placed.code)
    assert (data is None) == (not brought)
    if data is not None:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert {name.partition("/")[0] for name in archive.namelist()} == brought
    assert archives.place(replace(skill(module), backend=MemoryBackend("no", problem="not installed"))).problem == ""


def test_a_backend_that_cannot_be_brought_is_said(module: str, tmp_path: Path) -> None:
    write_package(tmp_path, "placed-lines", {"placed_lines.notes": ""}, {})
    (tmp_path / "placed_lines" / "fast.so").write_bytes(b"")
    assert "package 'placed_lines' has compiled code" in SkillArchives().place(kept(module)).problem
