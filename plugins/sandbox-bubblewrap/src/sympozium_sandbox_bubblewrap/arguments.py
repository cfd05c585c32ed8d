"""The command line of bubblewrap (bwrap(1)) for one container: which namespaces, what is mounted."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UID = 1000
_USR = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links into /usr where a system has merged them, folders of their own elsewhere."""
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ETC = ("ld.so.cache", "localtime", "alternatives")
_MACHINE = ("acpi", "scsi", "irq", "bus", "fs", "driver", "keys", "sched_debug")
"""What of /proc tells of the machine, its devices or its other users, though all may read it."""
_SHARED_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True)
class Host:
    """What is the same for every container of this machine."""

    program: str
    """Path of bwrap."""
    knows: frozenset[str]
    """Long options that this bwrap knows; older ones lack some."""
    shown: tuple[Path, ...]
    """Read-only at their own paths."""
    hidden: tuple[Path, ...]
    """Covered where they lie in a folder that is shown: the data directory above all."""
    etc: Path
    """Folder with the few files of /etc that are made here."""
    empty: Path
    """An empty folder, to cover others with."""
    masked: tuple[Path, ...] = ()
    """What is covered in /proc."""
    seccomp: Path | None = None
    """File with the filter of system calls; None for a processor without one."""


@dataclass(frozen=True)
class View:
    """What one container sees beside the system."""

    ipc: Path
    tmp: Path
    workspace: Path | None
    skills: Path | None
    memory: Path | None = None
    """The instance's."""
    secret: tuple[Path, str] | None = None
    """The folder with its Secret's keys, and where it sees it."""
    files: tuple[Path, ...] = ()
    """Single files, read-only at their own paths."""


def write_etc(folder: Path) -> None:
    """The stubs of /etc: a user by the name of `agent`, no name service, no other host."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, text in {
        "passwd": f"agent:x:{UID}:{UID}:agent:/tmp:/bin/sh\n",
        "group": f"agent:x:{UID}:\n",
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }.items():
        (folder / name).write_text(text)


def options(host: Host, view: View) -> list[str]:
    """Everything but the command: namespaces, mounts, and where to start."""
    line = [*_namespaces(host), *_system(host), *_devices(host, view), *_proc(host), *_own(view)]
    for path in host.shown:
        if not path.is_relative_to("/usr"):
            line += ["--ro-bind", str(path), str(path)]
    for path in view.files:
        line += ["--ro-bind", str(path), str(path)]
    for path in host.hidden:
        if any(path.is_relative_to(shown) for shown in (*host.shown, Path("/usr"))):
            line += ["--ro-bind", str(host.empty), str(path)]
    start = "/workspace" if view.workspace is not None else "/tmp"
    return [*line, "--remount-ro", "/", "--chdir", start]


def command_line(host: Host, command: Sequence[str], *, options: int, seccomp: int | None) -> list[str]:
    """With numbers of descriptors to read the options and the filter from: the options name folders of the machine, and a command line
    can be read by the agent as that of its first process."""
    filtered = [] if seccomp is None else ["--seccomp", str(seccomp)]
    return [host.program, "--args", str(options), *filtered, "--", *command]


def encode(options: Sequence[str]) -> bytes:
    """As ``--args`` reads them."""
    return b"".join(os.fsencode(each) + b"\0" for each in options)


def _namespaces(host: Host) -> list[str]:
    line = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    line += ["--uid", str(UID), "--gid", str(UID), "--hostname", "sandbox", "--cap-drop", "ALL"]
    line += ["--die-with-parent", "--new-session"]
    if "--disable-userns" in host.knows:
        line.append("--disable-userns")  # Most of what the kernel got wrong about namespaces needs one of one's own.
    return line


def _system(host: Host) -> list[str]:
    line = ["--ro-bind", "/usr", "/usr"]
    for name in _USR:
        path = Path("/", name)
        if path.is_symlink():
            line += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            line += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        line += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for file in sorted(host.etc.iterdir()):
        line += ["--ro-bind", str(file), f"/etc/{file.name}"]
    return line


def _devices(host: Host, view: View) -> list[str]:
    """By hand and not by ``--dev``, which needs a second user namespace for terminals that nobody has here."""
    line = ["--dir", "/dev"]
    for name in _DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    line += ["--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        line += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    if "--size" in host.knows:
        return [*line, "--size", str(_SHARED_MEMORY), "--tmpfs", "/dev/shm"]
    return [*line, "--bind", str(view.tmp), "/dev/shm"]


def _proc(host: Host) -> list[str]:
    # Settings of the kernel stay readable. bwrap itself covers only what access(2) calls writable, which a folder of files is not.
    line = ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]
    for path in host.masked:
        line += ["--ro-bind", str(host.empty) if path.is_dir() else "/dev/null", str(path)]
    return line


def masked(proc: Path = Path("/proc")) -> tuple[Path, ...]:
    """What to cover in /proc: of the files that are not of a process, all that root alone may read or anyone may write.

    The kernel asks who owns such a file, and when the server runs as root its sandboxes own them, whatever their own number is.
    """
    found = []
    for entry in os.scandir(proc):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        mode = entry.stat().st_mode
        if entry.name in _MACHINE or (stat.S_ISREG(mode) and (mode & 0o222 or not mode & 0o004)):
            found.append(Path(entry.path))
    return tuple(sorted(found))


def _own(view: View) -> list[str]:
    line = ["--bind", str(view.tmp), "/tmp", "--bind", str(view.ipc), "/ipc"]
    if view.workspace is not None:
        line += ["--bind", str(view.workspace), "/workspace"]
    if view.skills is not None:
        line += ["--ro-bind", str(view.skills), "/skills"]
    if view.memory is not None:
        line += ["--bind", str(view.memory), "/memory"]
    if view.secret is not None:
        line += ["--ro-bind", str(view.secret[0]), view.secret[1]]
    return line
