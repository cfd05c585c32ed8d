"""The one-line installer. That it installs is tested with real wheels by ``tox -e package``."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "deploy/install.sh"


def _run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"HOME": str(folder), "PATH": str(folder / "bin"), **environment}
    return subprocess.run(["/bin/sh", str(SCRIPT)], env=given, capture_output=True, text=True, check=False, cwd=folder)


def test_it_names_every_bundled_package() -> None:
    named = set(re.findall(r"^(sympozium-[a-z0-9-]+)$", SCRIPT.read_text(), re.MULTILINE))
    bundled = set()
    for file in ROOT.glob("[!.]*/*/setup.cfg"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file)
        bundled.add(parser["metadata"]["name"])
    assert named == bundled


def test_it_says_when_there_is_no_python(tmp_path: Path) -> None:
    done = _run(tmp_path)
    assert done.returncode == 1
    assert "Python 3.11 or newer with venv was not found" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_it_says_when_a_wheel_is_missing(tmp_path: Path) -> None:
    path = {"PATH": os.environ["PATH"], "SYMPOZIUM_HOME": str(tmp_path / "program")}
    done = _run(tmp_path, **path, SYMPOZIUM_WHEELS=str(tmp_path / "wheels"))
    assert done.returncode
    assert f"no wheel of sympozium-core in {tmp_path}/wheels" in done.stderr


def test_a_script_that_arrives_cut_does_nothing(tmp_path: Path) -> None:
    text = SCRIPT.read_text()
    cut = tmp_path / "cut.sh"
    cut.write_text(text[: text.rindex("main")])
    done = subprocess.run(["/bin/sh", str(cut)], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
