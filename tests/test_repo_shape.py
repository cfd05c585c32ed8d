"""The shape of the repository: sizes, names, one shape for all packages. A rule here is worth its message."""

from __future__ import annotations

import ast
import configparser
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.parts import PARTS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {"providers": "provider", "channels": "channel", "skills": "skill"}
PLURALS = {"memory": "memories", "sandbox": "sandboxes"}
CORE = sorted((ROOT / "sympozium_core").rglob("*.py"))
PACKAGES = sorted(setup.parent for folder in (*FOLDERS, "plugins") for setup in (ROOT / folder).glob("*/setup.cfg"))
SOURCES = [*CORE, *(file for package in PACKAGES for file in sorted((package / "src").rglob("*.py")))]

MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES, PARAMETERS = 400, 150, 60, 8
TOP = {
    *(".ci", ".gitignore", ".importlinter", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "bench", "changes", "channels", "constraints.txt"),
    *("deploy", "dev", "docs", "plugins", "providers", "pyproject.toml", "requirements-dev.txt", "ruff.toml", "setup.cfg", "skills", "sympozium_core"),
    *("tests", "tox.ini"),
}  # fmt: skip
PUBLIC = {"sidecar"}
"""Packages whose `__init__` is what authors of plugins import from."""
BANNED = {"utils", "util", "helpers", "common", "misc", "base", "core", "manager"}


def settings(package: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(package / "setup.cfg", encoding="utf-8")
    return parser


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_fit_in_a_head() -> None:
    sizes = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in SOURCES}
    assert {str(file.relative_to(ROOT)): size for file, size in sizes.items() if size > MODULE_LINES} == {}
    assert statistics.median(size for file, size in sizes.items() if file.name != "__init__.py") <= MEDIAN_LINES


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name}"
        for file in SOURCES
        for function in functions(file)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


def test_what_travels_together_is_one_object() -> None:
    wide = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name}"
        for file in SOURCES
        for function in functions(file)
        if len(function.args.args) - (bool(function.args.args) and function.args.args[0].arg in ("self", "cls")) > PARAMETERS
    ]
    assert wide == []


def test_no_module_is_a_drawer() -> None:
    assert [str(file.relative_to(ROOT)) for file in SOURCES if file.stem in BANNED or file.parent.name in BANNED] == []


def test_packages_of_the_core_say_what_belongs_there_and_import_nothing() -> None:
    for file in CORE:
        if file.name != "__init__.py" or "testing" in file.parts or file.parent.name in PUBLIC:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{file.relative_to(ROOT)} has no docstring"
        rest = [node for node in tree.body if not isinstance(node, ast.Expr)]
        assert not rest, f"{file.relative_to(ROOT)} does more than say what belongs there"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
class TestPackage:
    def test_its_names_follow_from_its_folder(self, package: Path) -> None:
        kind = FOLDERS.get(package.parent.name)
        words = f"{kind}-{package.name}" if kind else package.name
        config = settings(package)
        assert config["metadata"]["name"] == f"sympozium-{words}"
        imported = f"sympozium_{words.replace('-', '_')}"
        assert [folder.name for folder in (package / "src").iterdir() if not folder.name.endswith(".egg-info")] == [imported]
        word, _, name = words.partition("-")
        assert name in config["options.entry_points"][f"sympozium.{PLURALS.get(word, f'{word}s')}"]

    def test_it_has_the_files_of_every_package(self, package: Path) -> None:
        for name in ("README.md", "pyproject.toml", "setup.cfg", "tests"):
            assert (package / name).exists(), f"{package.name} lacks {name}"
        assert list((package / "src").glob("*/py.typed"))
        assert (package / "pyproject.toml").read_text() == (ROOT / "pyproject.toml").read_text()

    def test_it_has_the_version_and_range_of_the_core(self, package: Path) -> None:
        config, core = settings(package), settings(ROOT)
        assert config["metadata"]["version"] == core["metadata"]["version"]
        assert "sympozium-core>=0.1,<1" in config["options"]["install_requires"].split()
        assert config["options"]["python_requires"] == core["options"]["python_requires"]

    def test_the_workshop_installs_it(self, package: Path) -> None:
        lines = (ROOT / "requirements-dev.txt").read_text().splitlines()
        assert f"-e ./{package.relative_to(ROOT)}" in lines
        assert f"sympozium_{package.name.replace('-', '_')}" in (ROOT / ".importlinter").read_text().replace(
            "provider_", ""
        ).replace("skill_", "")
        assert str(package.relative_to(ROOT) / "src") in settings(ROOT)["mypy"]["mypy_path"]
        assert f"mypy {package.relative_to(ROOT)}/tests" in (ROOT / "tox.ini").read_text()


def test_every_dependency_is_bounded_and_pinned() -> None:
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for package in (ROOT, *PACKAGES):
        for requirement in settings(package)["options"]["install_requires"].split():
            name = re.split(r"[<>=!~\[]", requirement)[0].lower()
            if name.startswith("sympozium"):
                continue
            assert "<" in requirement, f"{package.name}: {requirement} has no upper bound"
            assert name in pinned, f"{package.name}: {name} is not in constraints.txt"


def test_every_test_on_a_cluster_is_in_one_part() -> None:
    run = sorted(f"test_{file}.py" for part in PARTS.values() for file in part.files)
    assert run == sorted(file.name for file in (ROOT / "tests/kubernetes").glob("test_*.py"))


def test_nothing_lies_at_the_top_that_has_no_place_there() -> None:
    """What a command leaves where it is run is taken along by the next commit of everything."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    assert sorted({name.partition("/")[0] for name in filter(None, tracked)} - TOP) == []


def test_no_path_of_a_machine_is_in_the_project() -> None:
    """Where this checkout lies, or any folder above it but the root, must stand nowhere."""
    places = [str(place) for place in (ROOT, *ROOT.parents) if len(place.parts) > 2]
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    found = [name for name in filter(None, tracked) if any(place in _text(ROOT / name) for place in places)]
    assert found == []


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
