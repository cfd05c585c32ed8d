"""Builds the binaries that no distribution has in the right version, and keeps each under a key of everything that it is made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.machine.errors import MachineError

SOURCE = Path(__file__).parent / "source"
KUBERNETES = "v1.36.3"
UNUSED_AFTER = 14 * 24 * 3600
"""Seconds after which a binary of an older key is thrown away."""

_VERSION = "k8s.io/component-base/version"
_STAMP = f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36 -X {_VERSION}.gitTreeState=archive"


@dataclass(frozen=True)
class Binary:
    """One `go build`. `module` is a folder below `SOURCE`, or any with its whole path; `package` a folder of the module (`./all`) or a dependency's
    main package."""

    name: str
    module: str
    package: str
    ldflags: str = "-s -w"
    tags: str = ""
    applets: tuple[str, ...] = ()
    """Names that the binary is called by; empty: its own."""

    @property
    def folder(self) -> Path:
        return SOURCE / self.module

    @property
    def sources(self) -> list[Path]:
        own = (self.folder / self.package).glob("*.go") if self.package.startswith("./") else []
        return [file for file in (self.folder / "go.mod", self.folder / "go.sum", *sorted(own)) if file.exists()]

    @property
    def command(self) -> list[str]:
        return ["build", "-p", "2", "-trimpath", "-buildvcs=false", "-tags", self.tags, "-ldflags", self.ldflags]


SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
BINARIES = (
    Binary("pause", "small", "./pause"),
    Binary("kubernetes", "kubernetes", "./all", _STAMP, "grpcnotrace", SERVERS),
    Binary("netpol", "kubernetes", "./netpol"),
    Binary("runsc", "gvisor", "gvisor.dev/gvisor/runsc"),
    Binary("containerd-shim-runsc-v1", "gvisor", "./shim"),
    Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Binary("helm", "helm", "helm.sh/helm/v3/cmd/helm"),
    Binary("metrics-server", "metrics", "sigs.k8s.io/metrics-server/cmd/metrics-server", tags="grpcnotrace"),
)


def cache() -> Path:
    """Where everything that is made once is kept: the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sympozium" / "kubernetes"


def say(text: str) -> None:
    """One line of progress, for people."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def locked() -> Iterator[Path]:
    """The cache folder, to this process alone: a second builder waits instead of building the same."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _go(arguments: list[str], folder: Path) -> str:
    try:
        found = subprocess.run(["go", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        raise MachineError(
            "the Go compiler `go` is not on PATH; install Go 1.26 or newer from https://go.dev/dl/ (Kubernetes is built from its sources)"
        ) from None
    except subprocess.CalledProcessError as error:
        raise MachineError(f"`go {' '.join(arguments)}` failed in {folder.name}: {error.stderr.strip()}") from None
    return found.stdout


def path_of(binary: Binary) -> Path:
    """Where the binary is, or will be once it is built."""
    digest = hashlib.sha256()
    digest.update(_go(["version"], binary.folder).encode())
    digest.update("\0".join([binary.package, *binary.command]).encode())
    for file in binary.sources:
        digest.update(file.read_bytes())
    return cache() / f"{binary.name}-{digest.hexdigest()[:20]}"


def _compile(binary: Binary, target: Path) -> None:
    started = time.monotonic()
    say(f"building {binary.name} …")
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    environment = {**os.environ, "CGO_ENABLED": "0"}
    command = ["nice", "go", *binary.command, "-o", str(partial), binary.package]
    done = subprocess.run(command, cwd=binary.folder, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        raise MachineError(f"{binary.name} was not built: go ended with {done.returncode}; its messages are above")
    partial.replace(target)
    say(f"built {binary.name} in {time.monotonic() - started:.0f} s")


def forget_old(name: str, kept: Path) -> None:
    """Removes what has this name under other keys and was not used for long."""
    for other in cache().glob(f"{name}-*"):
        if other != kept and len(other.name) == len(kept.name) and time.time() - other.stat().st_mtime > UNUSED_AFTER:
            other.unlink()


def build(names: set[str] | None = None) -> dict[str, Path]:
    """Builds what the cache lacks. Returns the path of each binary (of those named, or of all).

    Raises:
        MachineError: Go is missing, or a build failed.
    """
    return build_all([binary for binary in BINARIES if names is None or binary.name in names])


def build_all(wanted: Sequence[Binary]) -> dict[str, Path]:
    """As `build`, for binaries of anybody's."""
    paths = {binary.name: path_of(binary) for binary in wanted}
    with locked():
        for binary in wanted:
            path = paths[binary.name]
            if not path.exists():
                _compile(binary, path)
                forget_old(binary.name, path)
            os.utime(path)
    return paths


def link(paths: dict[str, Path], folder: Path) -> None:
    """Makes a folder for PATH in which every binary has the names that it is called by."""
    folder.mkdir(parents=True, exist_ok=True)
    for binary in BINARIES:
        if binary.name in paths:
            for name in binary.applets or (binary.name,):
                (folder / name).unlink(missing_ok=True)
                (folder / name).symlink_to(paths[binary.name])


def find(program: str) -> str:
    """Path of a program of the distribution.

    Raises:
        MachineError: It is not installed.
    """
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if not found:
        raise MachineError(f"{program} is not installed; see tests/kubernetes/machine/README.md for the packages")
    return found
