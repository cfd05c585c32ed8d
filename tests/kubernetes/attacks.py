"""What an attacker tries who has taken over a container of a run: a program for `python3 -`, standard library only.

Its one argument is JSON: ``{"targets": {name: [host, port, "tcp"|"udp"]}, "needles": [text…], "absent": [path…],
"others": [module…]}``. It prints JSON:
attempt → what came of it. An attempt that got through says so with a text that begins with ``REACHED``; anything else is how it was refused.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

WAIT = 2.0
SKIPPED = ("/proc", "/sys", "/usr", "/dev")
MAX_FILE = 4 << 20


def connect(host: str, port: int, protocol: str) -> str:
    """Whether bytes come back, or at least a connection."""
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as attempt:
        attempt.settimeout(WAIT)
        attempt.connect((host, port))
        if protocol == "udp":
            attempt.send(b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01")
            attempt.recv(512)
    return f"REACHED {host}:{port}"


def write(folder: str) -> str:
    path = Path(folder) / "attack"
    path.write_text("x")
    path.unlink()
    return f"REACHED: wrote {path}"


def find(needles: list[str]) -> str:
    """Credentials in files, in the environment, in other processes."""
    sought = [needle.encode() for needle in needles]
    texts = {"the environment": os.environb}
    for name, environment in texts.items():
        if any(needle in value for value in environment.values() for needle in sought):
            return f"REACHED: a credential in {name}"
    for root, folders, files in os.walk("/"):
        folders[:] = [each for each in folders if os.path.join(root, each) not in SKIPPED]
        for file in files:
            path = os.path.join(root, file)
            try:
                if not os.path.isfile(path) or os.path.getsize(path) > MAX_FILE:
                    continue
                data = Path(path).read_bytes()
            except OSError:
                continue
            if any(needle in data for needle in sought):
                return f"REACHED: a credential in {path}"
    return "nothing found"


def other_processes(modules: list[str]) -> str:
    """Only those of this container can be seen, so none of another's environment can be read. `modules` are what others run."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):  # our own arguments name the modules
            command = (entry / "cmdline").read_bytes()
            if any(module.encode() in command for module in modules):
                return f"REACHED: process {entry.name}"
    return "none but our own"


def status_is(field: str, wanted: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            found = line.split(":", 1)[1].strip()
            return f"{found}" if found == wanted else f"REACHED: {field} is {found}, not {wanted}"
    return f"REACHED: there is no {field}"


def unshare(flags: int) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "REACHED: new namespaces"


def mount() -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "REACHED: mounted"


def become_root() -> str:
    os.setuid(0)
    return "REACHED: root"


def raw_socket() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "REACHED: a raw socket"


def device() -> str:
    os.mknod("/tmp/disk", 0o600 | 0o060000, os.makedev(8, 0))
    return "REACHED: a device"


def exists(path: str) -> str:
    return f"REACHED: {path} is there" if os.path.exists(path) else "not there"


def resolve() -> str:
    return f"REACHED: {socket.gethostbyname('kubernetes.default.svc.cluster.local')}"


def main(told: dict[str, Any]) -> dict[str, str]:
    attempts: dict[str, Callable[[], str]] = {}
    for name, target in told.get("targets", {}).items():
        attempts[f"connect to {name}"] = partial(connect, *target)
    for folder in ("/", "/usr", "/etc", "/skills", "/sys/fs/cgroup"):
        attempts[f"write to {folder}"] = partial(write, folder)
    for path in told.get("absent", ()):
        attempts[f"see {path}"] = partial(exists, path)
    attempts |= {
        "find a credential": lambda: find(told.get("needles", [])),
        "see processes of other containers": partial(other_processes, told.get("others", [])),
        "have capabilities": lambda: status_is("CapEff", "0000000000000000"),
        "gain privileges": lambda: status_is("NoNewPrivs", "1"),
        "run without seccomp": lambda: status_is("Seccomp", "2"),
        "make a user namespace": lambda: unshare(0x10000000),
        "make a mount namespace": lambda: unshare(0x00020000),
        "mount": mount,
        "become root": become_root,
        "open a raw socket": raw_socket,
        "make a device": device,
        "look a name up": resolve,
    }
    found = {}
    for name, attempt in attempts.items():
        try:
            found[name] = attempt()
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
