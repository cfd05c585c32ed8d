"""A tool server from an archive: what was planned runs, anything else in its place does not."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("carried/__init__.py", "")
        file.writestr("carried/__main__.py", "import sys\nprint('carried', sys.argv[1:])\n")
    (tmp_path / "code.zip").write_bytes(data.getvalue())
    return tmp_path / "code.zip"


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; from sympozium_core.sidecar import packaged; "
        f"packaged.CODE_FOLDER = {str(folder)!r}; packaged.main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        env={**os.environ, "TMPDIR": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_archive_that_was_planned_runs(archive: Path) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    done = run(archive.parent, digest, "carried", "more")
    assert (done.stdout, done.returncode) == ("carried ['more']\n", 0), done.stderr


def test_a_program_that_is_not_in_it_imports_what_is(archive: Path, tmp_path: Path) -> None:
    """As the memory's, which is in the image, and imports its backend."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "a_program.py").write_text("import carried\nprint(carried.__file__)\n")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    done = run(archive.parent, digest, "a_program", PYTHONPATH=str(tmp_path / "installed"))
    assert done.stdout.endswith("code.zip/carried/__init__.py\n"), done.stderr


def test_another_in_its_place_does_not(archive: Path) -> None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("carried/evil.py", "")
    done = run(archive.parent, digest, "carried")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "is not the one that the run was planned with" in done.stderr


def test_it_says_how_it_is_used() -> None:
    done = run(Path("/"), "one")
    assert "usage: python -m sympozium_core.sidecar.packaged SHA256 MODULE" in done.stderr
