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


def run(command: list[str], **options: object) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return str(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        dist, home = Path(scratch, "dist"), Path(scratch, "clean")
        dist.mkdir()
        wheels = build(dist)
        print(f"built {len(wheels)} wheels")
        venv.create(home, with_pip=True)
        python = str(home / "bin/python")
        run([python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *map(str, wheels)])
        environment = {**os.environ, "SYMPOZIUM_DATA_DIR": str(Path(scratch, "data")), "PATH": f"{home}/bin:{os.environ['PATH']}"}
        sympozium = str(home / "bin/sympozium")
        listed = json.loads(run([sympozium, "plugins", "list", "--check", "-o", "json"], env=environment, cwd=scratch))
        broken = [entry for entry in listed if not entry["state"]["ok"]]
        assert not broken, broken
        assert len({entry["distribution"] for entry in listed}) == len(wheels) - 1, "a package has no entry point"
        print(f"{len(listed)} plugins load from wheels")
        print(run([sympozium, "demo"], env=environment, cwd=scratch).strip().splitlines()[-1])


if __name__ == "__main__":
    main()
