"""What ``sympozium plugins new`` writes. That it installs and passes its suite is tried with wheels, by ``tests/package/third_party.py``."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sympozium_core.errors import Permanent
from sympozium_core.names import CORE_SERVERS
from sympozium_core.registry.kinds import BY_GROUP
from sympozium_core.registry.scaffold import KINDS, write_package
from sympozium_core.resources.skill_lint import lint

ROOT = Path(__file__).parents[2]
NAMES = ("x", "word-count", "as-long-as-a-name-can-b1")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_package_is_sound_as_it_is_written(kind: str, name: str, tmp_path: Path) -> None:
    made = write_package(kind, name, tmp_path)
    folder = tmp_path / f"sympozium-{kind}-{name}"
    assert {path.relative_to(folder).parts[0] for path in made} >= {"setup.cfg", "pyproject.toml", "README.md", "src", "tests"}
    for path in made:
        text = path.read_text()
        assert "${" not in text, path
        if path.suffix == ".py":
            ast.parse(text)
    for command in (["check"], ["format", "--check"]):
        ruff = subprocess.run([sys.executable, "-m", "ruff", *command, folder], capture_output=True, text=True, check=False)
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_entry_points_name_what_is_there(kind: str, tmp_path: Path) -> None:
    write_package(kind, "word-count", tmp_path)
    folder = tmp_path / f"sympozium-{kind}-word-count"
    config = configparser.ConfigParser(interpolation=None)
    config.read(folder / "setup.cfg")
    groups = dict(config["options.entry_points"])
    assert groups
    assert set(groups) <= set(BY_GROUP)
    for lines in groups.values():
        name, _, value = lines.strip().partition(" = ")
        assert name == "word-count"
        module, _, attribute = value.partition(":")
        file = folder / "src" / Path(*module.split("."))
        source = (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text()
        assert f"class {attribute}(" in source if attribute else "@hookimpl" in source


def test_the_skill_has_nothing_to_be_said_of_it(tmp_path: Path) -> None:
    write_package("skill", "word-count", tmp_path)
    folder = tmp_path / "sympozium-skill-word-count/src/sympozium_skill_word_count"
    assert [str(each) for each in lint(folder, name="word-count", served=frozenset({"frequent_words"}))] == []
    assert yaml.safe_load((folder / "skillpack.yaml").read_text())["metadata"]["name"] == "word-count"


@pytest.mark.parametrize(
    "name", ["", "Word", "word_count", "word--count", "-word", "1word", "../word", "x" * 25, *CORE_SERVERS]
)
def test_names_that_cannot_be_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot name a plugin"):
        write_package("skill", name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_kinds_that_cannot_be_say_which_can(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="skill, provider, channel, sandbox, memory, harness, hook"):
        write_package("thing", "word-count", tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_package("hook", "word-count", tmp_path)
    readme = tmp_path / "sympozium-hook-word-count" / "README.md"
    readme.write_text("mine")
    with pytest.raises(Permanent, match="there already"):
        write_package("hook", "word-count", tmp_path)
    assert readme.read_text() == "mine"
