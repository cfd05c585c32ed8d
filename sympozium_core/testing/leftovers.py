"""What a run leaves on a machine: processes, found by the marker of their pod, and files below a data directory.

For tests that say "nothing is left" or "this is nowhere to be seen": they look at the machine and believe no component.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympozium_core import names


@dataclass(frozen=True)
class Process:
    pid: int
    argv: tuple[str, ...]
    environment: bytes
    """As /proc has it: ``NAME=value`` with NUL between; what a process was executed with, so for a forked one its parent's."""
    directory: str
    """Its current one, as this process sees it."""

    def variable(self, name: str) -> str:
        for item in self.environment.split(b"\0"):
            key, _, value = item.partition(b"=")
            if key == name.encode():
                return value.decode("utf-8", "replace")
        return ""

    @property
    def pod(self) -> str:
        return self.variable(names.ENV_POD)

    @property
    def container(self) -> str:
        return self.variable(names.ENV_CONTAINER)

    def runs_module(self, module: str) -> bool:
        """It is the interpreter that runs ``-m module``, not a wrapper that has this among its arguments."""
        return "python" in os.path.basename(self.argv[0] if self.argv else "") and module in " ".join(self.argv)


def processes() -> Iterator[Process]:
    """Every live process of this machine that may be read."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            state = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[0]
            argv = Path(f"/proc/{name}/cmdline").read_bytes()
            environment = Path(f"/proc/{name}/environ").read_bytes()
            directory = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        if state != b"Z":
            words = tuple(word.decode("utf-8", "replace") for word in argv.split(b"\0")[:-1])
            yield Process(int(name), words, environment, directory)


def of_run(run: Mapping[str, Any], container: str = "") -> list[Process]:
    """Every process of every pod of a run, or of one of its containers. `run` has its status."""
    return [
        process
        for process in processes()
        for pod in _pods(run)
        if (process.pod == pod and container in ("", process.container))
        or (not process.pod and _works_for(process, pod) and container in ("", "bridge"))
    ]


def _works_for(process: Process, pod: str) -> bool:
    """A bridge may be forked from a launcher that had it loaded; then it has no marker, and works in its pod's folder."""
    return f"/{pod}/volumes" in process.directory


def _pods(run: Mapping[str, Any]) -> list[str]:
    found: list[str] = (run.get("status") or {}).get("pods") or []
    return found


def below(parent: int) -> list[Process]:
    """The children of a process."""
    return [process for process in processes() if _parent(process.pid) == parent]


def launcher_of(server: int) -> Process:
    """The process that starts the containers of a server. Raises LookupError when there is none."""
    for child in below(server):
        if any("launcher" in word for word in child.argv):
            return child
    raise LookupError(f"process {server} has no launcher")


def mentioning(folder: Path) -> list[Process]:
    """Processes that have a folder among their arguments or in their environment, or work in it; but this one."""
    wanted = os.fsencode(folder)
    return [
        process
        for process in processes()
        if process.pid != os.getpid()
        and (
            wanted in process.environment
            or process.directory.startswith(str(folder))
            or any(str(folder) in word for word in process.argv)
        )
    ]


def running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    return any(process.pid == pid for process in processes())


def folder_of(run: Mapping[str, Any], data_dir: Path) -> Path:
    """Of the run's newest pod. Raises LookupError when it is not there (yet)."""
    pod = str((run.get("status") or {}).get("pod"))
    found = next(data_dir.glob(f"pods/*/{pod}"), None)
    if found is None:
        raise LookupError(f"there is no folder of pod {pod}")
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def pods_on_disk(data_dir: Path) -> list[str]:
    """Folders of pods, whichever driver made them, those on their way out included."""
    return sorted(
        str(found.relative_to(data_dir)) for found in data_dir.glob("pods/*/*") if re.search("run-|warm-", found.name)
    )


def files_with(data_dir: Path, needle: str) -> list[str]:
    """Files below a directory that contain this text in UTF-8, its names included."""
    wanted, found = needle.encode(), []
    for path in sorted(data_dir.rglob("*")):
        if wanted in os.fsencode(path) or (path.is_file() and not path.is_symlink() and wanted in path.read_bytes()):
            found.append(str(path))
    return found


async def wait_for(condition: Callable[[], bool], what: str, *, within: float = 10.0) -> None:
    """For what the machine tells nobody about, such as a file or a process: looks until it is so. Raises AssertionError."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what}")
        await asyncio.sleep(0.002)


async def gone(run: Mapping[str, Any], data_dir: Path, *, within: float = 10.0) -> None:
    """Returns when no process and no folder of a run's pods is left. Raises AssertionError that names what is."""
    pods = _pods(run)
    assert pods, f"the run has had no pod: {run.get('status')}"
    end = time.monotonic() + within
    while True:
        left = [f"process {p.pid} {p.container} {' '.join(p.argv)[:120]}" for p in of_run(run)]
        left += [folder for folder in pods_on_disk(data_dir) if any(pod in folder for pod in pods)]
        if not left:
            return
        if time.monotonic() > end:
            raise AssertionError(f"left after {within:g} s: {left}")
        await asyncio.sleep(0.01)
