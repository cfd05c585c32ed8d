"""The code of a package as one archive: importable, the same for the same files, and honest about what it cannot hold."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sympozium_core.errors import Permanent
from sympozium_core.registry.archive import MAX_ARCHIVE, archive_of, is_listed, read_list

Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A package with these files, installed as pip would leave it; gives the name of its module."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def made(files: dict[str, str | bytes], *, requires: str = "", name: str = "packed_skill") -> str:
        for path, content in {"__init__.py": "", **files}.items():
            file = site / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        info = site / f"{name}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        needed = f"Requires-Dist: {requires}\n" if requires else ""
        core = "Requires-Dist: sympozium-core<1,>=0.1\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.2\n{core}{needed}")
        (info / "top_level.txt").write_text(name)
        return name

    yield made
    for module in [each for each in sys.modules if each.startswith("packed_")]:
        del sys.modules[module]


def test_python_runs_it_and_finds_its_data(make: Make, tmp_path: Path) -> None:
    code = "from importlib.resources import files\nprint(files('packed_skill').joinpath('data/words.txt').read_text())\n"
    module = make({"__main__.py": code, "data/words.txt": "found"})
    archive = archive_of(module)
    assert module not in sys.modules, "nothing of it was imported"
    (tmp_path / "code.zip").write_bytes(archive.data)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "code.zip")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", module], env=environment, capture_output=True, text=True, cwd="/", check=False
    )
    assert (done.stdout, done.stderr) == ("found\n", "")


def test_the_same_files_give_the_same_bytes_whatever_their_times(make: Make, tmp_path: Path) -> None:
    module = make({"a.py": "x = 1\n"})
    first = archive_of(module)
    os.utime(tmp_path / "site" / module / "a.py", (1, 1))
    (tmp_path / "site" / module / "__pycache__").mkdir()
    (tmp_path / "site" / module / "__pycache__" / "a.pyc").write_bytes(b"x")
    assert archive_of(module).sha256 == first.sha256
    make({"a.py": "x = 2\n"})
    assert archive_of(module).sha256 != first.sha256


def test_it_holds_sources_and_what_they_compile_to(make: Make) -> None:
    with zipfile.ZipFile(io.BytesIO(archive_of(make({"a.py": "x = 1\n"})).data)) as archive:
        assert sorted(archive.namelist()) == [
            f"packed_skill/{name}" for name in ("__init__.py", "__init__.pyc", "a.py", "a.pyc")
        ]


@pytest.mark.parametrize(
    ("files", "requires", "said"),
    [
        ({}, "httpx>=0.27", r"needs httpx, which the image of Python skills does not have \(build an image"),
        ({"fast.so": b"\x7fELF"}, "", r"has compiled code \(fast.so\)"),
        ({"a.py": "def"}, "", "a.py is not Python"),
        ({"data.bin": os.urandom(MAX_ARCHIVE + 1)}, "", "bytes, more than 921600"),
    ],
)
def test_what_an_archive_cannot_bring_is_said(make: Make, files: dict[str, str | bytes], requires: str, said: str) -> None:
    with pytest.raises(Permanent, match=said):
        archive_of(make(files, requires=requires))


def test_several_packages_are_one_archive(make: Make) -> None:
    modules = make({"a.py": ""}), make({"b.py": ""}, name="packed_other")
    with zipfile.ZipFile(io.BytesIO(archive_of(modules[0], f"{modules[1]}.b", modules[0]).data)) as archive:
        sources = [name for name in archive.namelist() if name.endswith(".py")]
    assert sources == ["packed_skill/__init__.py", "packed_skill/a.py", "packed_other/__init__.py", "packed_other/b.py"]


def test_what_a_package_needs_may_be_brought_with_it_or_be_in_the_image(make: Make) -> None:
    module, other = make({}, requires="packed-other>=1"), make({}, name="packed_other")
    with pytest.raises(Permanent, match="needs packed-other"):
        archive_of(module)
    archive_of(module, other)
    archive_of(module, beside=frozenset({("packed-other", "1.2")}))


def test_an_extra_of_a_package_is_no_need_of_it(make: Make) -> None:
    archive_of(make({}, requires='pytest>=8; extra == "test"'))


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(Permanent, match="there is no package 'packed_nowhere'"):
        archive_of("packed_nowhere.server")


def test_what_an_image_has_is_told_by_name_and_version(make: Make, tmp_path: Path) -> None:
    module = make({})
    listed = tmp_path / "list"
    listed.write_text("packed_skill-1.2-py3-none-any.whl\nother-1.0-py3-none-any.whl\n\n")
    assert is_listed(module, read_list(listed))
    listed.write_text("packed_skill-1.1-py3-none-any.whl\n")
    assert not is_listed(module, read_list(listed))
    assert read_list(tmp_path / "none") == frozenset()
