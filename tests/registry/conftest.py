"""Real tiny packages: a directory on the path with modules and their ``.dist-info``, as pip leaves it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


class Packages:
    """Installs packages into one directory; `path` is what `sys.path` would hold."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = [str(directory)]

    def install(
        self, name: str, entries: dict[str, dict[str, str]] | str, source: str = "", *, version: str = "1.0", summary: str = ""
    ) -> str:
        """`entries` by group, or the very text of ``entry_points.txt``; `source` is the text of the package's one module.

        Returns the module's name.
        """
        module = name.replace("-", "_")
        (self.directory / f"{module}.py").write_text(source, encoding="utf-8")
        info = self.directory / f"{module}-{version}.dist-info"
        info.mkdir()
        header = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {summary}\n\nSummary: not this one\n"
        (info / "METADATA").write_text(header, encoding="utf-8")
        if isinstance(entries, dict):
            sections = [
                f"[{group}]\n" + "".join(f"{entry} = {value}\n" for entry, value in each.items())
                for group, each in entries.items()
            ]
            entries = "\n".join(sections)
        (info / "entry_points.txt").write_text(entries, encoding="utf-8")
        importlib.invalidate_caches()
        return module


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    """A directory for packages that this process and its children import from."""
    directory = tmp_path / "site"
    directory.mkdir()
    monkeypatch.setattr(sys, "path", [str(directory), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(directory))
    before = set(sys.modules)
    yield Packages(directory)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(directory) in str(sys.modules[name].__file__):
            del sys.modules[name]
    importlib.invalidate_caches()
