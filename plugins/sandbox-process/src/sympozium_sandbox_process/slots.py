"""Where a container starts: a forked child that waits for its description, then executes it.

A child is of use before its container is known: moving a process into a control group makes the kernel wait for all its processors, 10 ms
and more, and so does not belong on the way of a start. The launcher keeps a few slots ready where there are control groups.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
from collections.abc import Iterable, Mapping
from typing import NoReturn, TypedDict

from sympozium_sandbox_process import limits, prepared
from sympozium_sandbox_process.cgroups import Group, Groups
from sympozium_sandbox_process.limits import Limits

PR_SET_PDEATHSIG = 1
_FIRST_OWN = 20
"""Descriptors below are for `ContainerSpec.files`, those from here on for the slot itself until it executes."""

_libc = ctypes.CDLL(None, use_errno=True)


class ContainerSpec(TypedDict):
    """A container as the driver describes it to the launcher."""

    name: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    log: str
    limits: Limits
    trusted: bool
    """The bridge: asked to end after the others, and without a control group."""
    wrapped: bool
    """`argv` is a sandbox program whose child is init of a process namespace: signals go to the children of that init."""
    files: dict[str, str]
    """Files to be open for reading in the container, by descriptor number from 3 to 19."""


def parent_death_signal(number: int) -> None:
    """Lets the kernel signal this process when the thread that made it ends (prctl(2))."""
    if _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


class Slot:
    """A child in its own session and control group; `pid` is also the session's id. It dies with the launcher."""

    def __init__(self, groups: Groups | None) -> None:
        self._groups = groups
        self.group = groups.make() if groups is not None else None
        launcher = os.getpid()
        pipes = [os.pipe() for _ in range(4)]
        spec, out, error, report = pipes
        try:
            self.pid = os.fork()
        except OSError:
            _close(each for pipe in pipes for each in pipe)
            self._remove_group()
            raise
        if self.pid == 0:
            _become(self.group, launcher, (spec[0], out[1], error[1], report[1]))
        _close((spec[0], out[1], error[1], report[1]))
        self._own: tuple[int, ...] = (spec[1], report[0])
        """Where the description goes, and where the child reports what failed."""
        self.outputs = {out[0]: "stdout", error[0]: "stderr"}
        """Reading ends of standard output and error."""
        for descriptor in self.outputs:
            os.set_blocking(descriptor, False)

    def start(self, spec: ContainerSpec, running: int) -> None:
        """Executes the container; raises the child's own OSError, with what it was about as its filename."""
        (spec_write, report_read), self._own = self._own, ()
        try:
            with open(spec_write, "wb") as pipe, open(report_read, "rb") as report:
                if self.group is not None and self._groups is not None:
                    self._groups.limit(self.group, spec["limits"])
                pipe.write(json.dumps([spec, running]).encode())
                pipe.close()
                failure = report.read()
            if failure:
                number, _, what = failure.partition(b" ")
                raise OSError(int(number), os.strerror(int(number)), what.decode("utf-8", "replace"))
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Ends a slot that runs nothing."""
        with contextlib.suppress(OSError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.release()

    def release(self) -> None:
        """After the end of a slot that has run nothing."""
        _close((*self._own, *self.outputs))
        self._own = ()
        self.outputs.clear()
        self._remove_group()

    def _remove_group(self) -> None:
        if self.group is not None:
            self.group.remove()


def _close(descriptors: Iterable[int]) -> None:
    for each in descriptors:
        os.close(each)


def _become(group: Group | None, launcher: int, descriptors: tuple[int, int, int, int]) -> NoReturn:
    """In the forked child: everything that needs no description, then waits for it."""
    report = descriptors[3]
    step = "start"
    try:
        spec, out, error, report = _keep_only(descriptors)
        os.setsid()
        parent_death_signal(signal.SIGKILL)
        if os.getppid() != launcher:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o077)
        if group is not None:
            group.join()
        with open(spec, "rb") as pipe:
            text = pipe.read()
        if not text:
            os._exit(0)
        container, running = json.loads(text)
        null = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (error, 2)):
            os.dup2(source, target)
        step = _set_up(container, running)
        if container["trusted"] and prepared.runs(container["argv"]):
            os.close(report)
            prepared.run(container["argv"], container["env"])
        os.execvpe(container["argv"][0], container["argv"], container["env"])
    except OSError as failure:
        what = failure.filename or step
        os.write(report, f"{failure.errno or errno.EIO} {os.fsdecode(what)}".encode())
    finally:
        os._exit(127)


def _keep_only(descriptors: tuple[int, int, int, int]) -> list[int]:
    """Moves the slot's own descriptors out of the way and closes whatever else the launcher had open."""
    moved = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _FIRST_OWN) for each in descriptors]
    previous = 2
    for each in [*sorted(moved), os.sysconf("SC_OPEN_MAX")]:
        os.closerange(previous + 1, each)
        previous = each
    return moved


def _set_up(container: ContainerSpec, running: int) -> str:
    """Returns what the next step is about, should it fail."""
    if not container["trusted"]:
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # Whatever an agent does to the memory of this machine, it goes before the user's own programs.
    os.chdir(container["cwd"])
    _open_files(container["files"])
    limits.apply(container["limits"], running)
    return container["argv"][0]


def _open_files(files: Mapping[str, str]) -> None:
    for number, path in files.items():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(descriptor, int(number))
        os.set_inheritable(int(number), True)  # Also where it had that number from the start.
