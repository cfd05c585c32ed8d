"""Which backend keeps an instance's notes, found without importing any, and how its sidecar is started on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sympozium_skill_memory import MemorySkill

from sympozium_core.planning.inputs import MemoryBackend, SkillSource
from sympozium_core.processes.memory_backends import MemoryBackends
from sympozium_core.processes.skill_archives import SkillArchives
from sympozium_core.resources.skill_folder import read_skill_folder
from sympozium_core.testing.packages import write_package
from sympozium_core.testing.tool_client import ToolClient

ROOT = str(Path(__file__).parents[2])
FROM_THE_ARCHIVE = (
    f"import sys; sys.path.insert(0, {ROOT!r}); from sympozium_core.sidecar import packaged; "
    "packaged.CODE_FOLDER = sys.argv.pop(1); packaged.main(sys.argv[1:])"
)
PROGRAM = "import acme_lines.notes, sys\nprint('program', sys.argv[1:])\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = {"sympozium.memories": {"lines": "acme_lines.notes:Lines", "gone": "acme_gone:Notes"}}
    write_package(tmp_path, "acme-lines", {"acme_lines.notes": "print('imported')\n"}, entries)
    (tmp_path / "elsewhere").mkdir()
    write_package(tmp_path / "elsewhere", "acme-program", {"acme_program.__main__": PROGRAM}, {})
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    yield tmp_path
    for name in [each for each in sys.modules if each.startswith("acme_")]:
        del sys.modules[name]


def instance(**memory: Any) -> dict[str, Any]:
    return {"spec": {"memory": {"enabled": True, **memory}}}


def skill(*command: str) -> SkillSource:
    return SkillSource("memory", {"spec": {}}, {}, command, "acme_program")


def test_one_that_is_installed_is_found_and_not_imported(site: Path) -> None:
    assert MemoryBackends().find("lines") == MemoryBackend("lines", "acme_lines.notes:Lines")
    assert "acme_lines" not in sys.modules


def test_one_that_is_not_says_which_are(site: Path) -> None:
    found = MemoryBackends().find("nothing")
    assert found.value == ""
    assert found.problem == "no plugin named 'nothing' is installed in sympozium.memories; installed: gone, lines, sqlite"
    assert found.hint.startswith("install the package")


def test_one_that_two_packages_bring_is_neither(site: Path) -> None:
    write_package(site, "other-lines", {}, {"sympozium.memories": {"lines": "other:Lines"}})
    assert "claimed by packages acme-lines and other-lines" in MemoryBackends().find("lines").problem


def test_who_names_none_has_the_usual_one() -> None:
    served = MemoryBackends().serve(skill(), instance(), "")
    assert served.backend is not None
    assert (served.backend.name, served.backend.problem) == ("sqlite", "")


def test_its_program_can_import_the_backend_that_is_elsewhere(site: Path) -> None:
    served = MemoryBackends().serve(skill("python3"), instance(backend="lines"), "acme_program")
    assert served.backend == MemoryBackend("lines", "acme_lines.notes:Lines")
    done = subprocess.run(served.command, capture_output=True, text=True, check=False, env={}, cwd="/")
    assert done.stdout == "imported\nprogram []\n", done.stderr


def test_one_whose_code_is_gone_is_said(site: Path) -> None:
    served = MemoryBackends().serve(skill("python3"), instance(backend="gone"), "acme_program")
    assert served.backend is not None
    assert served.backend.problem == "the memory backend 'gone' cannot be loaded: no package 'acme_gone' is installed"


def test_a_server_that_is_no_module_is_started_as_it_was() -> None:
    assert MemoryBackends().serve(skill("/bin/server"), instance(), "").command == ("/bin/server",)


def test_skill_and_backend_serve_from_one_archive_where_no_image_has_them(tmp_path: Path) -> None:
    """As in a container whose Python has the core and nothing else."""
    skill = SkillSource("memory", read_skill_folder(MemorySkill().folder()), {}, module=MemorySkill().module())
    archives = SkillArchives()
    placed = archives.place(MemoryBackends().serve(skill, instance(), skill.module))
    data = archives.data(placed.code)
    assert data is not None, placed.problem
    assert placed.backend is not None
    (tmp_path / "code.zip").write_bytes(data)
    (tmp_path / "memory").mkdir()
    command = [sys.executable, "-I", "-S", "-c", FROM_THE_ARCHIVE, str(tmp_path), placed.code, placed.module]
    backend = f"{placed.backend.name}={placed.backend.value}"
    place = str(tmp_path / "memory")
    with ToolClient(tmp_path / "pod", "memory", command, SYMPOZIUM_MEMORY=place, SYMPOZIUM_MEMORY_BACKEND=backend) as server:
        assert server.call("memory_store", content="Deploys happen on Tuesdays.").content == "stored as note 1"
        assert "Tuesdays" in server.call("memory_search", query="deploy").content
    assert (tmp_path / "memory/backends/sqlite/memory.db").is_file()
