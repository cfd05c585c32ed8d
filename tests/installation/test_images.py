"""What the images are made of, as far as it shows without building them; ``tests/kubernetes`` builds and runs them."""

from __future__ import annotations

import importlib.metadata
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sympozium_core.bridge
import sympozium_core.runner
import sympozium_core.sidecar

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy/images"
PYTHON_IMAGES = ("control-plane", "runner", "skill")


def _requirements(image: str = "runner") -> list[str]:
    lines = (IMAGES / image / "requirements.txt").read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _modules(package: object) -> list[str]:
    name, path = package.__name__, package.__path__  # type: ignore[attr-defined]
    return [found.name for found in pkgutil.walk_packages(path, f"{name}.") if not found.name.endswith("__main__")]


def _imports(modules: list[str], distributions: list[str], folder: Path) -> None:
    """In a Python that has the core, these distributions, and nothing else."""
    (folder / "sympozium_core").symlink_to(ROOT / "sympozium_core")
    for name in distributions:
        files = importlib.metadata.distribution(name).files or []
        used = (file for file in files if file.suffix in (".py", ".so") or file.parts[0].endswith(".dist-info"))
        for top in {file.parts[0] for file in used if file.parts[0] != ".."}:
            (folder / top).symlink_to(str(importlib.metadata.distribution(name).locate_file(top)))
    code = f"import sys, importlib; sys.path.append({str(folder)!r}); [importlib.import_module(name) for name in {modules}]"
    done = subprocess.run([sys.executable, "-S", "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BRIDGE_ON_NATS = ["sympozium_core.bus.run_bus", "sympozium_core.embedded.bus.connect", "sympozium_core.bridge.__main__"]
HOOKS = ["sympozium_core.registry.relay", "sympozium_core.registry.calls"]
"""What a bridge loads where plugins have something to say about tool calls."""


CONDITIONS = ["sympozium_core.call_conditions.examined", "cel_expr_python.cel"]
"""Where rules have conditions."""


def test_the_runners_image_has_what_agent_and_bridge_import(tmp_path: Path) -> None:
    modules = [*_modules(sympozium_core.bridge), *_modules(sympozium_core.runner), *BRIDGE_ON_NATS, *HOOKS, *CONDITIONS]
    _imports(modules, _requirements(), tmp_path)


def test_the_skills_image_has_what_a_skill_imports_that_needs_more(tmp_path: Path) -> None:
    import sympozium_skill_mcp

    (tmp_path / "sympozium_skill_mcp").symlink_to(Path(str(sympozium_skill_mcp.__file__)).parent)
    _imports(_modules(sympozium_skill_mcp), _requirements("skill"), tmp_path)


def test_the_library_of_tool_servers_needs_the_standard_library_alone(tmp_path: Path) -> None:
    _imports(_modules(sympozium_core.sidecar), [], tmp_path)


@pytest.mark.parametrize("name", [*PYTHON_IMAGES, "skill-kubectl", "skill-git", "nats"])
def test_none_runs_as_root_and_every_base_can_be_chosen(name: str) -> None:
    text = (IMAGES / name / "Containerfile").read_text()
    assert re.search(r"^USER 1000:1000$", text, re.MULTILINE)
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(base == "scratch" or base.startswith("${") for base in bases)
    assert not re.search(r"^(ARG|FROM) .*:latest", text, re.MULTILINE)
    assert not re.search(r"^(COPY|ADD) \.", text, re.MULTILINE), "an image holds what is installed, not the sources"


def test_what_runs_is_compiled_and_nothing_is_left_that_installs() -> None:
    text = (IMAGES / "shared/install.sh").read_text()
    assert "compileall" in text
    assert "unchecked-hash" in text
    for tool in ("/pip", "ensurepip", "/setuptools"):
        assert tool in text[text.index("rm -rf") :]
    for name in PYTHON_IMAGES:
        assert "/install.sh" in (IMAGES / name / "Containerfile").read_text()


def test_what_runs_in_sidecars_is_in_the_skills_image_and_the_control_plane_knows() -> None:
    """A list that names what the image has not would leave a skill or a memory without its code."""
    skill, control_plane = ((IMAGES / name / "Containerfile").read_text() for name in ("skill", "control-plane"))
    (listed,) = re.findall(r"ls (.+?)\) >/opt/sympozium/skill-image", control_plane)
    installed = re.findall(r"/dist/(sympozium_\w+_\*\.whl)", skill)
    assert listed.split() == installed == ["sympozium_skill_*.whl", "sympozium_memory_*.whl"]
