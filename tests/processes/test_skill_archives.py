"""Where a skill's code comes from: the image, an archive, its own image, or nowhere, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.planning.inputs import SkillSource
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
