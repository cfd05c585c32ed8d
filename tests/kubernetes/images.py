"""The project's own images for the tests: built from this tree by the Containerfiles of ``deploy/images``, imported into the node.

``python -m tests.kubernetes.images`` builds what the cache lacks and prints the archives. Inside a cluster's namespaces there is no network:
whatever has to be fetched must have been before. Each part is kept under a key of what it is made from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from sympozium_core.testing.nats_server import executable
from tests.kubernetes.machine.archives import Settings, make_layer, write_image
from tests.kubernetes.machine.build import build as binaries
from tests.kubernetes.machine.build import cache, say
from tests.kubernetes.machine.containerfile import Build, build_containerfile
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.images import base, load, make_base_image
from tests.kubernetes.machine.layout import ROOT, Layout

REGISTRY, VERSION = "sympozium.local", "test"
PYTHON_IMAGES = ("control-plane", "runner", "skill")
BASE, WHEELS, NATS = "localhost/builder:1", "localhost/sympozium-wheels:test", "localhost/nats:test"
KUBECTL, SKILL_ON_GIT = "localhost/kubectl:test", "localhost/skill-on-git:test"
PYTHON_OF_BASE = "3.11"
FOLDERS = ("providers", "skills", "plugins", "channels")
CONTAINERFILES = ROOT / "deploy/images"
_PLATFORMS = [f"manylinux{name}_{os.uname().machine}" for name in ("2014", "_2_17", "_2_28", "_2_31", "_2_34")]


def image(name: str) -> str:
    """What a Pod calls one of them."""
    return f"{REGISTRY}/sympozium-{name}:{VERSION}"


def build() -> dict[str, Path]:
    """The archive of each image, by its name.

    Raises:
        MachineError: A step failed, or something would have to be fetched and there is no network.
    """
    wheels = all_wheels()
    found = {name: _python_image(name, wheels) for name in PYTHON_IMAGES}
    with_git = _python_image("skill", wheels, "git-builder", SKILL_ON_GIT)
    return {**found, "skill-kubectl": _kubectl_image(found["skill"]), "skill-git": _git_image(with_git), "nats": _nats_image()}


def all_wheels() -> list[Path]:
    """Of every package of this tree, and of all that they need. Raises MachineError."""
    return [*_own_wheels(), *_dependencies()]


def load_all(layout: Layout) -> None:
    """Builds what is missing and imports all of them into a cluster's node.

    Raises:
        MachineError: As `build`; or containerd refuses one.
    """
    for archive in build().values():
        load(layout, archive)


def _packages() -> list[Path]:
    return [ROOT, *sorted(file.parent for folder in FOLDERS for file in (ROOT / folder).glob("*/setup.cfg"))]


def _sources(package: Path) -> list[Path]:
    code = package / ("sympozium_core" if package == ROOT else "src")
    files = (
        file for file in code.rglob("*") if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file)
    )
    extra = (package / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"))
    return [*sorted(files), *(file for file in extra if file.exists())]


def key_of(files: Iterable[Path], *more: str) -> str:
    """Of the names and contents of these files, and of the words."""
    digest = hashlib.sha256("\0".join(more).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:20]


def kept_at(name: str, key: str, suffix: str = "") -> Path:
    """Where what is made once is, or will be; older ones of the name make room."""
    folder = cache() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}-{key}{suffix}"
    if kept.exists():
        os.utime(kept)
    else:
        for old in sorted(folder.glob(f"{name}-{'?' * len(key)}{suffix}"), key=lambda file: file.stat().st_mtime)[:-3]:
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return kept


def call(command: list[str], folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """What the command printed. Raises MachineError with what it said."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MachineError(f"`{' '.join(command[:6])} …` failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def _own_wheels() -> list[Path]:
    made = []
    for package in _packages():
        sources = _sources(package)
        kept = kept_at(f"wheel-{package.name if package != ROOT else 'core'}", key_of(sources))
        if not kept.exists():
            build_wheel(package, sources, kept)
        made += list(kept.glob("*.whl"))
    return made


def build_wheel(package: Path, sources: list[Path], target: Path) -> None:
    """From a copy: others work in the tree, and setuptools would leave its folders there."""
    with tempfile.TemporaryDirectory(prefix="sympozium-wheel-") as temporary:
        copy, partial = Path(temporary, "copy"), Path(temporary, "dist")
        for file in sources:
            place = copy / file.relative_to(package)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
        call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(partial), "."], copy)
        shutil.move(partial, target)


def _dependencies() -> list[Path]:
    """Wheels of everything that the packages need, of the pinned versions and for the Python of the base image."""
    settings = [package / "setup.cfg" for package in _packages()]
    kept = kept_at("dependencies", key_of([ROOT / "constraints.txt", *settings], PYTHON_OF_BASE))
    if not kept.exists():
        say("fetching the wheels of the images' dependencies …")
        with tempfile.TemporaryDirectory(prefix="sympozium-wheels-") as temporary:
            wanted = Path(temporary, "requirements.txt")
            wanted.write_text("\n".join(sorted(set(_requirements(settings)))))
            where = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_OF_BASE}"]
            where += [f"--platform={platform}" for platform in _PLATFORMS]
            pins = ["--constraint", str(ROOT / "constraints.txt"), "--requirement", str(wanted)]
            partial = Path(temporary, "dist")
            call([sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(partial), *where, *pins], ROOT)
            shutil.move(partial, kept)
    return list(kept.glob("*.whl"))


def _requirements(settings: list[Path]) -> list[str]:
    import configparser

    found = []
    for file in settings:
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(file)
        found += parser["options"].get("install_requires", "").split("\n")
    return [line.strip() for line in found if line.strip() and not line.strip().startswith("sympozium")]


def _python_image(name: str, wheels: list[Path], above: str = "builder", tag: str = "") -> Path:
    used = [file for file in CONTAINERFILES.rglob("*") if file.is_file() and file.parent.name in (name, "shared")]
    contents = [*used, *(wheels if name == "control-plane" else [w for w in wheels if _small(w)])]
    kept = kept_at(name if above == "builder" else f"{name}-on-{above}", key_of(sorted(contents), base(above).digest), ".tar")
    if not kept.exists():
        say(f"building the image {name} …")
        with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
            folder = Path(temporary)
            bases = (make_base_image(BASE, folder / "base.tar", above), _wheels_image(wheels, folder))
            arguments = {"BASE": BASE, "WHEELS": WHEELS}
            build_one(
                Build(CONTAINERFILES / name / "Containerfile", CONTAINERFILES, tag or image(name), bases, arguments), kept
            )
    return kept


def _small(wheel: Path) -> bool:
    """Whether the wheel can end in the images of runner or skills."""
    listed = (CONTAINERFILES / name / "requirements.txt" for name in ("runner", "skill"))
    lines = [line for file in listed for line in file.read_text().splitlines() if line and not line.startswith("#")]
    names = {line.lower().replace("-", "_") for line in lines} | {"sympozium_core", "nkeys"}
    name = wheel.name.partition("-")[0].lower()
    return name in names or name.startswith("sympozium_skill_")


def _wheels_image(wheels: list[Path], folder: Path) -> Path:
    (folder / "dist").mkdir()
    for wheel in wheels:
        shutil.copy(wheel, folder / "dist")
    return write_image(
        folder / "wheels.tar", WHEELS, [make_layer({"/dist": folder / "dist"}, folder / "wheels.layer")], Settings()
    )


def _nats_image() -> Path:
    binary = Path(executable()).resolve()
    containerfile = CONTAINERFILES / "nats/Containerfile"
    kept = kept_at("nats", key_of([containerfile, binary]), ".tar")
    if not kept.exists():
        say("building the image nats …")
        with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
            folder = Path(temporary)
            layer = make_layer({"/nats-server": binary}, folder / "nats.layer")
            bases = (write_image(folder / "base.tar", NATS, [layer], Settings()),)
            build_one(Build(containerfile, CONTAINERFILES, image("nats"), bases, {"NATS": NATS}), kept)
    return kept


def _kubectl_image(skill: Path) -> Path:
    """kubectl is a name of the one binary that holds all of Kubernetes."""
    binary = binaries({"kubernetes"})["kubernetes"]
    containerfile = CONTAINERFILES / "skill-kubectl/Containerfile"
    kept = kept_at("skill-kubectl", key_of([containerfile], skill.name, binary.name), ".tar")
    if not kept.exists():
        say("building the image skill-kubectl …")
        with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
            folder = Path(temporary)
            layer = make_layer({"/bin/kubectl": binary}, folder / "kubectl.layer")
            bases = (write_image(folder / "base.tar", KUBECTL, [layer], Settings()), skill)
            arguments = {"KUBECTL": KUBECTL, "SKILL": image("skill")}
            build_one(Build(containerfile, CONTAINERFILES, image("skill-kubectl"), bases, arguments), kept)
    return kept


def _git_image(skill: Path) -> Path:
    containerfile = CONTAINERFILES / "skill-git/Containerfile"
    kept = kept_at("skill-git", key_of([containerfile], skill.name), ".tar")
    if not kept.exists():
        say("building the image skill-git …")
        build_one(Build(containerfile, CONTAINERFILES, image("skill-git"), (skill,), {"SKILL": SKILL_ON_GIT}), kept)
    return kept


def build_one(what: Build, kept: Path) -> None:
    """Builds an image into the place where it is kept."""
    partial = kept.with_name(f".{kept.name}.{os.getpid()}")
    try:
        build_containerfile(what, partial).replace(kept)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        for name, archive in build().items():
            print(f"{image(name)}  {archive}  {archive.stat().st_size / 1e6:.0f} MB")
    except MachineError as problem:
        say(f"error: {problem}")
        sys.exit(1)
