"""Builds a Containerfile with buildah: no daemon, no registry, no mounts left behind. What it is `FROM` comes from archives on this disk.

A step that needs the network has this process's own: none, inside a cluster's namespaces. Hand over what it would fetch as a further context.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.kubernetes.machine.build import find
from tests.kubernetes.machine.system import call


@dataclass(frozen=True)
class Build:
    """One image to build."""

    containerfile: Path
    context: Path
    tag: str
    """Such as `localhost/sympozium:test`; it is the name of the image in the archive, too."""
    bases: tuple[Path, ...]
    """Archives of the images that it is FROM; each has its name inside."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """For the ARG lines."""
    contexts: Mapping[str, Path] = field(default_factory=dict)
    """Folders for `COPY --from=<name>` and `RUN --mount=from=<name>`."""
    target: str = ""
    """The stage that is the image; empty: the last."""


def build_containerfile(build: Build, target: Path) -> Path:
    """Builds the image and writes its archive to `target`. Returns that path.

    Raises:
        MachineError: buildah is missing, or a step failed; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="sympozium-buildah-") as temporary:
        # In a mount namespace of its own: this buildah leaves an image mounted that a step had with `--mount=from=`.
        buildah = ["unshare", "--mount", find("buildah")]
        storage = ["--root", f"{temporary}/root", "--runroot", f"{temporary}/run", "--storage-driver", "overlay"]
        for base in build.bases:
            call(*buildah, *storage, "pull", "--quiet", f"docker-archive:{base}")
        given = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
        given += [f"--build-context={name}={folder}" for name, folder in build.contexts.items()]
        given += [f"--target={build.target}"] if build.target else []
        how = ["--isolation=chroot", "--pull-never", "--layers=false", *given]
        call(*buildah, *storage, "build", *how, "-f", str(build.containerfile), "-t", build.tag, str(build.context))
        target.unlink(missing_ok=True)
        call(*buildah, *storage, "push", "--quiet", build.tag, f"docker-archive:{target}:{build.tag}")
    return target
