"""What of this machine a Python needs, and what is never shown."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
from sympozium_sandbox_bubblewrap import interpreter

import sympozium_core


def test_this_python_and_this_package_are_among_them() -> None:
    found = interpreter.folders()
    for path in (sys.prefix, sys.base_prefix, sympozium_core.__path__[0], sys.executable):
        assert any(Path(path).is_relative_to(each) for each in (*found, Path("/usr"))), path


def test_neither_home_nor_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home/libraries").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}/home:{tmp_path}/home/libraries::/:/etc:relative:{tmp_path}/missing")
    found = interpreter.folders()
    assert tmp_path / "home/libraries" in found
    assert not {tmp_path, tmp_path / "home", Path("/"), Path("/etc")} & set(found)


def test_path_files_and_import_hooks_of_editable_installs(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.pth").write_text(f"# comment\nimport something; something()\n\n{tmp_path}/source\nbeside\n")
    assert interpreter._path_files(tmp_path / "site") == [tmp_path / "source", tmp_path / "site/beside"]
    module = types.ModuleType("__editable___thing_0_1_finder")
    vars(module).update(MAPPING={"thing": "/src/thing"}, NAMESPACES={"space": ["/src/one", "/src/two"]})
    finder = types.SimpleNamespace(_redirections={"other": "/src/other/__init__.py"})
    assert interpreter._editable([module, types.ModuleType("x")], [finder, object()]) == [
        Path("/src/thing"), Path("/src/one"), Path("/src/two"), Path("/src/other")
    ]  # fmt: skip


def test_every_link_to_the_interpreter_is_followed(tmp_path: Path) -> None:
    for name in ("venv/bin", "versions/current-link-target/bin"):
        (tmp_path / name).mkdir(parents=True)
    real = tmp_path / "versions/current-link-target/bin/python3.11"
    real.touch()
    (tmp_path / "current").symlink_to("versions/current-link-target")
    (tmp_path / "venv/bin/python").symlink_to("python3")
    (tmp_path / "venv/bin/python3").symlink_to(tmp_path / "current/bin/python3.11")
    found = interpreter._link_chain(tmp_path / "venv/bin/python")
    assert {tmp_path / "venv", tmp_path / "current", tmp_path / "versions/current-link-target"} <= set(found)


def test_outermost() -> None:
    paths = [Path(each) for each in ("/a/b", "/a", "/a/../c", "/c/d", "/ab")]
    assert interpreter.outermost(paths) == [Path("/a"), Path("/ab"), Path("/c")]
