"""What an attacker tries who has taken over a container of a run, of its walls: a program for `python3 -`, standard library only.

Its one argument is JSON: ``{"targets": {name: [host, port, "tcp"|"udp"]}, "abstract": [name…], "needles": [text…],
"absent": [path…], "others": [module…]}``. It prints JSON:
attempt → what came of it. An attempt that got through says so with a text that begins with ``REACHED``; anything else is how it was refused.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

WAIT = 2.0
SKIPPED = ("/proc", "/sys", "/usr", "/dev")
MAX_FILE = 4 << 20
_X86 = {"add_key": 248, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "init_module": 175, "kexec_load": 246}
_ARM = {"add_key": 217, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "init_module": 105, "kexec_load": 104}
_NUMBERS = _ARM if platform.machine() == "aarch64" else _X86


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


def call_kernel(*arguments: int) -> str:
    """A system call by its number, of x86-64 or of arm64."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(*(ctypes.c_long(each) for each in arguments)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return "REACHED: the kernel did it"


def abstract_socket(name: str) -> str:
    """Such a socket has no file: only a network namespace of one's own keeps it away."""
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(WAIT)
        attempt.connect(f"\0{name}")
    return f"REACHED @{name}"


def set_user_id() -> str:
    """A file that would run as its owner, root, if it were root's."""
    path = Path("/tmp/rooted")
    path.write_text("#!/bin/sh\nid -u\n")
    path.chmod(0o4755)
    try:
        os.chown(path, 0, 0)
    finally:
        path.unlink()
    return "REACHED: a file of root's that sets its user"


def set_clock() -> str:
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "REACHED: the clock is set"


def rename_host() -> str:
    socket.sethostname("owned")
    return "REACHED: renamed"


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
    for name in told.get("abstract", ()):
        attempts[f"connect to @{name}"] = partial(abstract_socket, name)
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
        "make a file that runs as root": set_user_id,
        "keep a key in the kernel": lambda: call_kernel(_NUMBERS["add_key"], *5 * [0]),
        "load a program into the kernel": lambda: call_kernel(_NUMBERS["bpf"], 5, 0, 0),
        "watch the processor": lambda: call_kernel(_NUMBERS["perf_event_open"], *5 * [0]),
        "handle page faults": lambda: call_kernel(_NUMBERS["userfaultfd"], 0),
        "load a kernel module": lambda: call_kernel(_NUMBERS["init_module"], 0, 0, 0),
        "start another kernel": lambda: call_kernel(_NUMBERS["kexec_load"], 0, 0, 0, 0),
        "set the clock": set_clock,
        "name the host": rename_host,
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
