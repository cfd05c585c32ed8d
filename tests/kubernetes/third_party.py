"""What a third party brings to a cluster, made here as its documentation says: wheels of its packages, an image of each skill that has one, and images
of ours with its packages by the recipe that `sympozium plugins image` prints. `python -m tests.kubernetes.third_party` makes them where there is a network."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sympozium_core.registry.scaffold import write_package
from tests.kubernetes import images
from tests.kubernetes.machine.archives import Settings, make_layer, unpack_debian, write_image
from tests.kubernetes.machine.build import say
from tests.kubernetes.machine.containerfile import Build
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.images import base, load, make_base_image
from tests.kubernetes.machine.layout import ROOT, Layout

EXAMPLES = ROOT / "docs/examples/third-party"
CONTROL_PLANE, SKILL = (f"registry.acme.example/sympozium-{name}:mine" for name in ("control-plane", "skill"))
CHECKSUM, WORDS = "registry.acme.example/skill-checksum:1.2.0", "registry.acme.example/skill-words:1.0.0"
"""As their SkillPacks call them."""
HARNESS = "registry.acme.example/agent-loop:1.0.0"
"""As the package of the harness `loop` calls it."""
AGENT = f"""
FROM {images.BASE}
COPY src/sympozium_harness_loop/agent.py /opt/agent.py
ENTRYPOINT ["python3", "-I", "/opt/agent.py"]
"""
SHELL, JQ = "localhost/shell-with-jq:1", ("jq", "libjq1", "libonig5", "libc6", "libgcc-s1")
APT = '#!/bin/sh\n[ "$1" = update ] || command -v jq >/dev/null\n'
"""There is no network where images are built, and what the Containerfile asks for is there."""
CRON = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
    "setup.cfg": """
[metadata]
name = acme-skill-cron
version = 0.1.0
[options]
packages = acme_skill_cron
install_requires =
    sympozium-core
    croniter
[options.package_data]
acme_skill_cron = skillpack.yaml
[options.entry_points]
sympozium.skills =
    cron = acme_skill_cron:CronSkill
""",
    "acme_skill_cron/skillpack.yaml": """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: cron}
spec: {sidecar: {}}
""",
    "acme_skill_cron/__init__.py": """
from sympozium_core.contracts.skill import Skill

class CronSkill(Skill):
    def module(self) -> str:
        return f"{__name__}.server"
""",
    "acme_skill_cron/server.py": """
from datetime import datetime
from croniter import croniter
from sympozium_core.sidecar import Server, tool

@tool
def next_time(line: str, after: str) -> str:
    "The first time of a cron line after another time."
    return str(croniter(line, datetime.fromisoformat(after)).get_next(datetime))

if __name__ == "__main__":
    Server("cron", [next_time]).serve()
""",
}
"""A Python skill that cannot come to its sidecar as a volume, because it needs another package."""


def build() -> list[Path]:
    """The archives of all of these images.

    Raises:
        MachineError: A step failed, or something would have to be fetched and there is no network.
    """
    ours = images.build()
    with tempfile.TemporaryDirectory(prefix="sympozium-third-party-") as temporary:
        folder = Path(temporary)
        checksum = _source(folder, "acme-skill-checksum")
        program = [
            "go",
            "build",
            "-C",
            "server",
            "-trimpath",
            "-buildvcs=false",
            "-o",
            "../src/acme_skill_checksum/checksum-server",
            ".",
        ]
        images.call(program, checksum, {**os.environ, "CGO_ENABLED": "0"})
        cron = folder / "acme-skill-cron"
        for name, text in CRON.items():
            (cron / name).parent.mkdir(parents=True, exist_ok=True)
            (cron / name).write_text(text)
        loop = _harness(folder)
        packages = [checksum, _source(folder, "acme-skill-csv"), cron, loop]
        mine = _by_recipe(folder, [_wheel(package) for package in packages], ours)
        words = _image(_source(folder, "acme-skill-words"), WORDS, _shell(), {"BASE": SHELL})
        agent = _image(loop, HARNESS, (make_base_image(images.BASE, folder / "python.tar", "builder"),))
        return [*mine, _image(checksum, CHECKSUM), words, agent]


def load_all(layout: Layout) -> None:
    """Builds what is missing and imports all of them into a cluster's node. Raises MachineError."""
    for archive in build():
        load(layout, archive)


def _source(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, folder / name, dirs_exist_ok=True))


def _harness(folder: Path) -> Path:
    """What `sympozium plugins new harness loop` writes, with the name of an image filled in."""
    write_package("harness", "loop", folder)
    package = folder / "sympozium-harness-loop"
    told = package / "src/sympozium_harness_loop/__init__.py"
    told.write_text(told.read_text().replace('return ""', f'return "{HARNESS}"'))
    (package / "Containerfile").write_text(AGENT)
    return package


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _wheel(package: Path) -> Path:
    sources = _files(package)
    kept = images.kept_at(f"wheel-{package.name}", images.key_of(sources))
    if not kept.exists():
        images.build_wheel(package, sources, kept)
    return next(kept.glob("*.whl"))


def _image(folder: Path, tag: str, bases: tuple[Path, ...] = (), arguments: Mapping[str, str] = MappingProxyType({})) -> Path:
    kept = images.kept_at(folder.name, images.key_of(_files(folder), *(base.name for base in bases)), ".tar")
    if not kept.exists():
        say(f"building the image {tag} …")
        images.build_one(Build(folder / "Containerfile", folder, tag, bases, dict(arguments)), kept)
    return kept


def _shell() -> tuple[Path, ...]:
    """A base as the Containerfile of the skill in shell wants it, with what it would install."""
    below = base("busybox")
    kept = images.kept_at("shell-with-jq", images.key_of([], APT, below.digest, *JQ), ".tar")
    if not kept.exists():
        with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
            tree = Path(temporary, "tree")
            (tree / "usr/local/bin").mkdir(parents=True)
            unpack_debian(JQ, tree, Path(temporary, "packages"))
            (tree / "usr/local/bin/apt-get").write_text(APT)
            (tree / "usr/local/bin/apt-get").chmod(0o755)
            layer = make_layer({"/": tree}, Path(temporary, "layer"))
            write_image(kept, SHELL, [below, layer], Settings())
    return (kept,)


def _by_recipe(folder: Path, wheels: list[Path], ours: dict[str, Path]) -> list[Path]:
    """The images of control plane and skills, with these wheels installed beside this machine's plugins."""
    every = [*images.all_wheels(), *wheels]
    context, site = folder / "context", folder / "site"
    (context / "wheels").mkdir(parents=True)
    for wheel in every:
        shutil.copy(wheel, context / "wheels")
    alone = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(site)]
    images.call([sys.executable, "-m", "pip", "install", *alone, *map(str, wheels)], folder)
    words = [
        "--base",
        images.image("control-plane"),
        "--skill-base",
        images.image("skill"),
        "--python",
        images.BASE,
        "--wheels",
        "wheels",
    ]
    command = [sys.executable, "-P", "-m", "sympozium_core.cli.main", "plugins", "image", *words]
    recipe = images.call(command, folder, {**os.environ, "PYTHONPATH": str(site)})
    (context / "Containerfile").write_text(recipe)
    made = []
    for name, tag in (("control-plane", CONTROL_PLANE), ("skill", SKILL)):
        said = "\n".join(line for line in recipe.splitlines() if not line.startswith("#"))
        kept = images.kept_at(f"mine-{name}", images.key_of(wheels, said, ours[name].name), ".tar")
        if not kept.exists():
            say(f"building the image {tag} …")
            bases = (ours[name], make_base_image(images.BASE, folder / "builder.tar", "builder"))
            images.build_one(Build(context / "Containerfile", context, tag, bases, target=name), kept)
        made.append(kept)
    return made


if __name__ == "__main__":
    try:
        print(*build(), sep="\n")
    except MachineError as problem:
        say(f"error: {problem}")
        sys.exit(1)
