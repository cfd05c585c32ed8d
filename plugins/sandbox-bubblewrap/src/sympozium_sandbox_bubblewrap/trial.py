"""Finds out by doing whether bubblewrap works here, and says in one line what would make it so."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sympozium_core.contracts.sandbox import Availability
from sympozium_sandbox_bubblewrap import seccomp
from sympozium_sandbox_bubblewrap.arguments import UID, Host, View, command_line, encode, masked, options, write_etc
from sympozium_sandbox_bubblewrap.interpreter import folders

_INSTALL = "install it: apt install bubblewrap, dnf install bubblewrap, pacman -S bubblewrap, or apk add bubblewrap"
_SYSCTLS = (
    ("/proc/sys/user/max_user_namespaces", "0", "user namespaces are switched off", "sysctl -w user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "user namespaces are switched off for ordinary users",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor keeps ordinary users from user namespaces",
        "give bwrap an AppArmor profile that allows userns (package apparmor-profiles, bwrap-userns-restrict), "
        "or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_SECONDS = 5.0


@dataclass(frozen=True)
class Machine:
    """What bubblewrap is here, and what a container needs to see of this machine."""

    program: str
    knows: frozenset[str]
    shown: tuple[Path, ...]


async def check() -> tuple[Availability, Machine | None]:
    """Whether it works, and what was found out on the way."""
    if not sys.platform.startswith("linux"):
        return Availability(False, f"bubblewrap needs Linux namespaces, and this is {sys.platform}; use Linux"), None
    program = shutil.which("bwrap")
    if program is None:
        return Availability(False, f"the program bwrap is not installed; {_INSTALL}"), None
    with tempfile.TemporaryDirectory(prefix="sympozium-trial-") as name:
        try:
            found = await machine(program)
            code, said = await _trial(describe(found, Path(name)), Path(name))
        except OSError as error:
            return Availability(False, f"{program} cannot be tried: {error.strerror}"), None
    if code == 0 and said.strip() == str(UID):
        return Availability(True, f"{program} gives each container namespaces, an empty root and no network"), found
    return Availability(False, explain(program, said)), None


async def machine(program: str) -> Machine:
    """Raises OSError."""
    _, text = await _output([program, "--help"])
    return Machine(program, frozenset(re.findall(r"--[a-z-]+", text)), tuple(folders()))


def describe(found: Machine, data_dir: Path, hidden: Sequence[Path] = ()) -> Host:
    """What every container is given. Writes the stubs of /etc below `data_dir`; raises OSError."""
    etc, empty = data_dir / ".etc", data_dir / ".empty"
    write_etc(etc)
    empty.mkdir(mode=0o500, exist_ok=True)
    program_text = seccomp.program()
    filtered = None if program_text is None else data_dir / ".seccomp"
    if filtered is not None and program_text is not None:
        filtered.write_bytes(program_text)
    return Host(
        program=found.program,
        knows=found.knows,
        shown=found.shown,
        hidden=tuple(hidden),
        etc=etc,
        empty=empty,
        masked=masked(),
        seccomp=filtered,
    )


async def _trial(host: Host, folder: Path) -> tuple[int, str]:
    view = View(ipc=folder / "ipc", tmp=folder / "tmp", workspace=None, skills=None)
    for path in (view.ipc, view.tmp):
        path.mkdir(mode=0o700)
    command = [sys.executable, "-S", "-E", "-s", "-c", "import os; print(os.getuid())"]
    descriptors = _descriptors(host, view, folder)
    line = command_line(host, command, options=descriptors[0], seccomp=descriptors[1] if len(descriptors) > 1 else None)
    try:
        return await _output(line, descriptors)
    finally:
        for each in descriptors:
            os.close(each)


def _descriptors(host: Host, view: View, folder: Path) -> list[int]:
    """Open for reading: the options, and the filter where there is one."""
    written = folder / "options"
    written.write_bytes(encode(options(host, view)))
    return [os.open(path, os.O_RDONLY) for path in (written, host.seccomp) if path is not None]


async def _output(argv: list[str], inherited: Sequence[int] = ()) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=inherited,
        cwd="/",
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        return -9, f"no answer within {_SECONDS:g} s"
    return process.returncode or 0, output.decode("utf-8", "replace")


def explain(program: str, said: str, sysctls: Sequence[tuple[str, str, str, str]] = _SYSCTLS) -> str:
    """One line: what bwrap said, which setting is behind it, and what mends it."""
    line = next((line.strip() for line in said.splitlines() if line.strip()), "it ended without a word")[:200]
    for path, bad, meaning, remedy in sysctls:
        with contextlib.suppress(OSError):
            if Path(path).read_text().strip() == bad:
                return f"{meaning} ({line}); {remedy}"
    if "proc" in line and "mount" in line.lower():
        return f"a fresh /proc may not be mounted here ({line}); inside a container, run that one with an unmasked /proc"
    if "amespace" in line or "uid map" in line:
        return f"namespaces are refused here ({line}); inside a container, allow it unshare and mount (seccomp, capabilities)"
    return f"{program} failed its trial: {line}"
