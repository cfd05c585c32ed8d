"""The images that tests run: a Python of the distribution's, busybox, and the pause program; and how they get into containerd."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kubernetes.machine.archives import Layer, Settings, make_layer, read_layer, unpack_debian, write_image
from tests.kubernetes.machine.build import cache, forget_old, locked, say
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.machine.system import call

PAUSE = "localhost/pause:1"
BUSYBOX = "localhost/busybox:1"
PYTHON_PACKAGES = (
    *(
        "base-files",
        "libc6",
        "libgcc-s1",
        "libstdc++6",
        "libcrypt1",
        "libssl3",
        "zlib1g",
        "libexpat1",
        "libbz2-1.0",
        "liblzma5",
    ),
    *("libffi8", "libsqlite3-0", "libuuid1", "libtirpc3", "libnsl2", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("python3.11-minimal", "python3.11", "media-types", "ca-certificates", "tzdata", "netbase", "busybox-static"),
)
GIT_PACKAGES = (
    *(
        "git",
        "libcurl3-gnutls",
        "libpcre2-8-0",
        "libbrotli1",
        "libgmp10",
        "libgnutls30",
        "libhogweed6",
        "libnettle8",
        "libidn2-0",
    ),
    *(
        "libunistring2",
        "libldap-2.5-0",
        "libsasl2-2",
        "libnghttp2-14",
        "libpsl5",
        "librtmp1",
        "libssh2-1",
        "libtasn1-6",
        "libzstd1",
    ),
    *("libp11-kit0", "libgssapi-krb5-2", "libkrb5-3", "libkrb5support0", "libk5crypto3", "libcom-err2", "libkeyutils1"),
)
SHELL = (
    "sh",
    "cat",
    "ls",
    "sleep",
    "env",
    "id",
    "ip",
    "ps",
    "touch",
    "grep",
    "mkdir",
    "mount",
    "unshare",
    "dmesg",
    "kill",
    "rm",
    "cp",
    "ln",
)
"""Applets of busybox that the Python image has by name."""
CRASHING = {
    "wget",
    "nc",
    "nslookup",
    "telnet",
    "ping",
    "ping6",
    "ftpget",
    "ftpput",
    "tftp",
    "traceroute",
    "traceroute6",
    "host",
    "httpd",
}
"""Applets that look addresses up: they crash in a static busybox, and a crash would pass for an unreachable address. Use Python."""
USERS = "root:x:0:0:root:/root:/bin/sh\nsympozium:x:1000:1000:sympozium:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
PIP = '#!/bin/sh\nexec python3 "$(echo /usr/share/python-wheels/pip-*.whl)/pip" "$@"\n'
GROUPS = "root:x:0:\nsympozium:x:1000:\nnogroup:x:65534:\n"


def _link_applets(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        if not (folder / "bin" / name).exists() and not (folder / "usr/bin" / name).exists():
            (folder / "bin" / name).symlink_to("busybox")


def _name_users(folder: Path) -> None:
    for needed in ("etc/ssl/certs", "tmp", "root"):
        (folder / needed).mkdir(parents=True, exist_ok=True)
    (folder / "etc/passwd").write_text(USERS)
    (folder / "etc/group").write_text(GROUPS)
    (folder / "tmp").chmod(0o1777)


def _furnish_python(folder: Path) -> None:
    (folder / "usr/bin/python3").symlink_to("python3.11")
    (folder / "usr/bin/python").symlink_to("python3.11")
    _link_applets(folder, SHELL)
    # The packages' scripts would have compiled the library; a container whose root cannot be written would do it at every start.
    call("chroot", str(folder), "python3", "-m", "compileall", "-q", "/usr/lib/python3.11")
    authorities = sorted((folder / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    (folder / "etc/ssl/certs/ca-certificates.crt").write_bytes(b"".join(file.read_bytes() for file in authorities))


def _furnish_builder(folder: Path) -> None:
    """With pip, as Python's own images have it, and as willing to install: nobody else manages this Python."""
    _furnish_python(folder)
    (folder / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    pip = folder / "usr/local/bin/pip"
    pip.parent.mkdir(parents=True, exist_ok=True)
    pip.write_text(PIP)
    pip.chmod(0o755)


def _furnish_git_builder(folder: Path) -> None:
    """With git, and an `apt-get` for Containerfiles that install it: there is no network where they are built, and what they ask for is there."""
    _furnish_builder(folder)
    apt = folder / "usr/local/bin/apt-get"
    apt.write_text('#!/bin/sh\n[ "$1" = update ] || command -v git >/dev/null\n')
    apt.chmod(0o755)


def _furnish_busybox(folder: Path) -> None:
    _link_applets(folder, sorted(set(call(str(folder / "bin/busybox"), "--list").split()) - CRASHING))


_BASES = {
    "python": (PYTHON_PACKAGES, _furnish_python),
    "builder": ((*PYTHON_PACKAGES, "python3-pip-whl"), _furnish_builder),
    "git-builder": ((*PYTHON_PACKAGES, "python3-pip-whl", *GIT_PACKAGES), _furnish_git_builder),
    "busybox": (("busybox-static",), _furnish_busybox),
}


def base(name: str) -> Layer:
    """The layer under an image: `python`, `builder` (that and pip), `git-builder` (that and git) or `busybox`. Made once, and kept under a key of what it is made from.

    Raises:
        MachineError: apt cannot fetch the packages.
    """
    packages, furnish = _BASES[name]
    key = hashlib.sha256("\0".join(packages).encode() + Path(__file__).read_bytes()).hexdigest()[:20]
    target = cache() / f"base-{name}-{key}"
    with locked():
        if not target.exists():
            say(f"making the base image {name} …")
            with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
                tree = Path(temporary) / "tree"
                tree.mkdir()
                tree.chmod(0o755)
                unpack_debian(packages, tree, Path(temporary) / "packages")
                _name_users(tree)
                furnish(tree)
                make_layer({"/": tree}, target)
            forget_old(f"base-{name}", target)
        os.utime(target)
    return read_layer(target)


def make_bases() -> None:
    """Makes every base that the cache lacks, as long as there is a network: in a cluster's namespaces there is none.

    Raises:
        MachineError: apt cannot fetch the packages.
    """
    for name in _BASES:
        base(name)


def make_python_image(name: str, target: Path, trees: Mapping[str, Path], settings: Settings) -> Path:
    """Writes an image archive: Debian's Python 3.11 and, above it, one layer with these trees (path in the image: path here).

    Raises:
        MachineError: The base cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="sympozium-image-") as temporary:
        own = [make_layer(trees, Path(temporary) / "own.tar")] if trees else []
        return write_image(target, name, [base("python"), *own], settings)


def make_base_image(name: str, target: Path, which: str) -> Path:
    """Writes an archive of a base alone, for a Containerfile to be FROM; it runs as root, as a base does. Returns its path.

    Raises:
        MachineError: The base cannot be made.
    """
    return write_image(target, name, [base(which)], Settings())


def make_own(pause: Path, folder: Path) -> list[Path]:
    """Writes the archives that every node has: pause and busybox."""
    shutil.copy(pause, folder / "pause")
    layer = make_layer({"/pause": folder / "pause"}, folder / "pause.layer")
    settled = Settings(entrypoint=["/pause"], user="65535:65535")
    return [
        write_image(folder / "pause.tar", PAUSE, [layer], settled),
        write_image(folder / "busybox.tar", BUSYBOX, [base("busybox")], Settings(command=["sh"])),
    ]


def load(layout: Layout, archive: Path) -> None:
    """Imports an image archive into the node's containerd, where Pods find it under its name.

    Raises:
        MachineError: containerd is not there, or refuses the archive.
    """
    call("ctr", "--address", str(layout.containerd), "--namespace", "k8s.io", "images", "import", str(archive))
