"""Builds every wheel and sdist, installs the wheels alone into a clean environment, and uses them there.

Called by ``tox -e package``; not a pytest module, because it takes a minute and needs an index for third-party packages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.package.processes import run
from tests.package.third_party import ThirdParty

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("providers", "skills", "plugins", "channels")


def packages() -> list[Path]:
    return [ROOT, *sorted(setup.parent for folder in FOLDERS for setup in (ROOT / folder).glob("*/setup.cfg"))]


def build(target: Path) -> list[Path]:
    """The built wheels; from the sdist each, so that an sdist that lacks a file fails here."""
    wheels = []
    for package in packages():
        before = set(target.iterdir())
        run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(package)])
        made = set(target.iterdir()) - before
        wheels += [file for file in made if file.suffix == ".whl"]
        assert any(file.name.endswith(".tar.gz") for file in made), f"no sdist of {package}"
    return wheels


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        dist, home = Path(scratch, "dist"), Path(scratch, "clean")
        dist.mkdir()
        wheels = build(dist)
        print(f"built {len(wheels)} wheels")
        venv.create(home, with_pip=True)
        python = str(home / "bin/python")
        run([python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *map(str, wheels)])
        environment = {
            **os.environ,
            "SYMPOZIUM_DATA_DIR": str(Path(scratch, "data")),
            "PATH": f"{home}/bin:{os.environ['PATH']}",
        }
        sympozium = str(home / "bin/sympozium")
        listed = json.loads(run([sympozium, "plugins", "list", "--check", "-o", "json"], env=environment, cwd=scratch))
        broken = [entry for entry in listed if not entry["state"]["ok"]]
        assert not broken, broken
        assert len({entry["distribution"] for entry in listed}) == len(wheels) - 1, "a package has no entry point"
        print(f"{len(listed)} plugins load from wheels")
        foreign_plugin(Path(scratch), python, sympozium, environment)
        ThirdParty(Path(scratch), python, environment).work()
        one_liner(Path(scratch), dist)
        print(run([sympozium, "demo"], env=environment, cwd=scratch).strip().splitlines()[-1])


def one_liner(scratch: Path, dist: Path) -> None:
    """The installer script, with these wheels: installs for a user, and again over itself."""
    home = scratch / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHON": sys.executable,
        "SYMPOZIUM_HOME": str(home / "program"),
        "SYMPOZIUM_WHEELS": str(dist),
        "PIP_CONSTRAINT": str(ROOT / "constraints.txt"),
    }
    for _ in range(2):
        assert "sympozium " in run(["sh", str(ROOT / "deploy/install.sh")], env=environment, cwd=scratch)
    listed = json.loads(
        run([str(home / ".local/bin/sympozium"), "plugins", "list", "-o", "json"], env=environment, cwd=scratch)
    )
    assert len({entry["distribution"] for entry in listed}) == len(packages()) - 1
    print("the installer script installs for a user")


def foreign_plugin(scratch: Path, python: str, sympozium: str, environment: dict[str, str]) -> None:
    """A package from elsewhere: installing it adds a plugin, a broken one harms nothing, uninstalling removes it."""
    source = scratch / "foreign"
    source.mkdir()
    (source / "setup.cfg").write_text(
        "[metadata]\nname = foreign\nversion = 1\n[options]\npy_modules = foreign_good, foreign_broken\n"
        "[options.entry_points]\nsympozium.hooks =\n    good = foreign_good\n    broken = foreign_broken\n"
    )
    (source / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (source / "foreign_good.py").write_text(
        "from sympozium_core.hooks import hookimpl\n@hookimpl\ndef sympozium_run_event(event):\n    pass\n"
    )
    (source / "foreign_broken.py").write_text("raise RuntimeError('broken on purpose')\n")
    run([sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(scratch / "foreign-dist"), str(source)])
    (wheel,) = (scratch / "foreign-dist").glob("*.whl")
    run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)])
    done = subprocess.run(
        [sympozium, "plugins", "list", "--check", "-o", "json"],
        env=environment,
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    states = {entry["name"]: entry["state"] for entry in json.loads(done.stdout) if entry["distribution"] == "foreign"}
    assert states["good"]["ok"], states
    assert "broken on purpose" in states["broken"]["reason"], states
    assert done.returncode == 1, "a broken plugin is an exit code"
    assert "Succeeded" in run([sympozium, "demo"], env=environment, cwd=scratch), "a broken plugin took the core down"
    run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "foreign"])
    left = json.loads(run([sympozium, "plugins", "list", "-o", "json"], env=environment, cwd=scratch))
    assert not [entry for entry in left if entry["distribution"] == "foreign"]
    print("a foreign package came, broke nothing, and went")


if __name__ == "__main__":
    main()
