"""Container images without a daemon and without a registry: layers from folders and from Debian's packages, written as archives.

Owners become 0:0. Times stay: compiled Python files count only beside sources of the time that they name.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.system import call

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Layer:
    """An uncompressed tar and the SHA-256 of it."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Settings:
    """What a container of the image gets unless its Pod says otherwise."""

    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    """`uid:gid`; empty: root."""
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    folder: str = "/"

    def as_config(self) -> dict[str, object]:
        variables = {"PATH": PATH, **self.environment}
        config: dict[str, object] = {"Env": [f"{name}={value}" for name, value in variables.items()], "WorkingDir": self.folder}
        given = {"User": self.user, "Entrypoint": list(self.entrypoint), "Cmd": list(self.command)}
        return config | {name: value for name, value in given.items() if value}


def make_layer(trees: Mapping[str, Path], target: Path) -> Layer:
    """Writes one layer. `trees` says which file or folder of this machine stands at which path of the image.

    Compiled Python files of this machine's caches (`__pycache__`) go along; version control and editors' files are the caller's business.
    """

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.mtime = int(entry.mtime)
        entry.uname = entry.gname = ""
        return entry

    partial = target.with_name(f".{target.name}.{os.getpid()}")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        for parent in sorted({folder for path in trees for folder in _parents(path)} - {path.strip("/") for path in trees}):
            entry = tarfile.TarInfo(parent)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, source in sorted(trees.items()):
            tar.add(source, arcname=path.strip("/") or ".", filter=plain)
    partial.replace(target)
    return read_layer(target)


def _parents(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def read_layer(path: Path) -> Layer:
    """A layer that was written before."""
    with path.open("rb") as file:
        return Layer(path, hashlib.file_digest(file, "sha256").hexdigest())


def write_image(target: Path, name: str, layers: Sequence[Layer], settings: Settings) -> Path:
    """Writes an archive that `ctr images import`, podman and docker read. Returns its path."""
    epoch = "1970-01-01T00:00:00Z"
    machine = call("dpkg", "--print-architecture").strip()
    image = {
        "architecture": machine,
        "os": "linux",
        "created": epoch,
        "config": settings.as_config(),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": epoch} for _ in layers],
    }
    config = json.dumps(image).encode()
    digest = hashlib.sha256(config).hexdigest()
    names = [f"{layer.digest}/layer.tar" for layer in layers]
    manifest = json.dumps([{"Config": f"{digest}.json", "RepoTags": [name], "Layers": names}]).encode()
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    with tarfile.open(partial, "w") as tar:
        for file, data in ((f"{digest}.json", config), ("manifest.json", manifest)):
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for file, layer in zip(names, layers, strict=True):
            tar.add(layer.path, arcname=file, recursive=False)
    partial.replace(target)
    return target


def unpack_debian(packages: Sequence[str], folder: Path, downloads: Path) -> None:
    """Unpacks packages of the distribution into a folder; nothing is installed and no script of theirs runs.

    Raises:
        MachineError: A package is not known (`apt-get update` first) or not to be had.
    """
    downloads.mkdir(parents=True, exist_ok=True)
    fetch = 'cd "$0" && exec apt-get -qq -o APT::Sandbox::User=root download "$@"'
    try:
        call("sh", "-c", fetch, str(downloads), *packages)
    except MachineError as error:
        said = str(error).splitlines()[-1]
        raise MachineError(
            f"apt cannot fetch the packages of a base image ({said}); it needs the network and `apt-get update`"
        ) from None
    for file in sorted(downloads.glob("*.deb")):
        call("dpkg-deb", "-x", str(file), str(folder))
    for needless in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "var/cache"):
        shutil.rmtree(folder / needless, ignore_errors=True)
