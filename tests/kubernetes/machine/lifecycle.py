"""A cluster's life, seen from the machine: what is built and checked before, the namespaces' holder, and what is cleared away after."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.kubernetes.machine import build, cgroups, images, namespaces
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import Layout
from tests.kubernetes.machine.processes import wait_until

CONTROL_PLANE = {"kubernetes"}
NODE = {"pause", "netpol"}
GVISOR = {"runsc", "containerd-shim-runsc-v1"}
PROGRAMS = ("unshare", "nsenter", "setpriv", "setsid", "ip", "mount", "openssl")
NODE_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr", "runc", "nft", "iptables", "conntrack", "apt-get", "dpkg-deb")
UP_WITHIN = 300


@dataclass(frozen=True)
class Wanted:
    """What a cluster is to have beyond its control plane."""

    node: bool = False
    gvisor: bool = False
    simulated: int = 0

    @property
    def binaries(self) -> set[str]:
        extra = NODE if self.node else set()
        return CONTROL_PLANE | extra | (GVISOR if self.gvisor else set()) | ({"kwok"} if self.simulated else set())


@dataclass(frozen=True)
class State:
    """What `cluster.json` says."""

    wanted: Wanted
    holder: int
    born: str
    """When the holder was started, by the kernel's clock: a number may be another process by now."""
    group: str
    made: list[str]
    """Folders that were made to be covered."""

    @property
    def alive(self) -> bool:
        return _birth(self.holder) == self.born


def _birth(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def read(layout: Layout) -> State:
    """The state of the cluster in this folder.

    Raises:
        MachineError: There is none.
    """
    try:
        content = json.loads(layout.state.read_text())
    except (FileNotFoundError, ValueError):
        raise MachineError(f"no cluster in {layout.root}; `python -m tests.kubernetes.machine up` makes one") from None
    return State(**{**content, "wanted": Wanted(**content["wanted"])})


def check(wanted: Wanted) -> None:
    """Sees that this machine can hold the cluster.

    Raises:
        MachineError: Not root, or a program is missing; all that are missing at once.
    """
    if os.geteuid() != 0:
        raise MachineError("a cluster needs root: it makes namespaces, mounts and control groups; call this as root")
    missing = []
    for program in (*PROGRAMS, *(NODE_PROGRAMS if wanted.node else ())):
        try:
            build.find(program)
        except MachineError:
            missing.append(program)
    if missing:
        raise MachineError(f"not installed: {', '.join(missing)}; tests/kubernetes/machine/README.md names the packages")


def up(layout: Layout, wanted: Wanted, dies_with_parent: bool = False) -> State:
    """Brings a cluster up in this folder and waits until it is at work.

    Raises:
        MachineError: Something is missing or failed; nothing is left then but the folder with its logs.
    """
    check(wanted)
    if layout.state.exists():
        if read(layout).alive:
            raise MachineError(f"a cluster is up in {layout.root} already; `down` ends it, or name another folder with --dir")
        down(layout)
    binaries = build.build(wanted.binaries)
    if wanted.node:
        images.make_bases()
    layout.make()
    layout.root.chmod(0o700)
    layout.outcome.unlink(missing_ok=True)
    build.link(binaries, layout.programs)
    group, made = cgroups.name_for(layout.root), []
    if wanted.node:
        cgroups.make(group)
        made = namespaces.prepare_covered(cgroups.others(group))
    started = time.monotonic()
    process = namespaces.create(layout, dies_with_parent)
    state = State(wanted, process.pid, _birth(process.pid), group, made)
    layout.state.write_text(json.dumps(asdict(state)))
    try:
        _wait(layout, process)
    except BaseException:
        _end(layout, state)
        raise
    build.say(f"cluster up in {time.monotonic() - started:.1f} s, in {layout.root}")
    return state


def _wait(layout: Layout, process: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: layout.outcome.exists() or process.poll() is not None, UP_WITHIN, "the cluster did not come up")
    if not layout.outcome.exists():
        said = (layout.logs / "init.log").read_text(errors="replace").strip()
        raise MachineError(f"the cluster's first process ended: {said[-2000:]}")
    if failure := layout.outcome.read_text():
        raise MachineError(failure)


def _end(layout: Layout, state: State) -> None:
    """Ends every process of the cluster, with it namespaces and mounts, and removes what is outside of them."""
    if state.alive:
        os.kill(state.holder, signal.SIGKILL)
    try:
        os.waitpid(state.holder, 0)
    except ChildProcessError:
        wait_until(lambda: not state.alive, 20, f"process {state.holder}, which holds the cluster, is still there")
    cgroups.remove(state.group)
    if not cgroups.others(state.group):
        for folder in state.made:
            if Path(folder).exists() and not any(Path(folder).iterdir()):
                Path(folder).rmdir()
    layout.state.unlink(missing_ok=True)


def down(layout: Layout) -> None:
    """Ends a cluster and removes its folder.

    Raises:
        MachineError: There is none in this folder, or something of it would not go.
    """
    read(layout)
    clear(layout, None)


def clear(layout: Layout, logs: Path | None) -> None:
    """Ends what `up` began, whole or not, and removes its folder. `logs`: where the logs go first."""
    if layout.state.exists():
        _end(layout, read(layout))
    if logs and layout.logs.exists():
        shutil.copytree(layout.logs, logs, dirs_exist_ok=True, symlinks=True)
    shutil.rmtree(layout.root, ignore_errors=True)


def environment(layout: Layout) -> dict[str, str]:
    """What a command that works with the cluster gets: the caller's own, with the cluster's kubectl and kubeconfig, and no proxy."""
    own = {name: value for name, value in os.environ.items() if name.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    path = f"{layout.programs}:{own.get('PATH', '')}"
    return {**own, "PATH": path, **layout.for_kubectl(), "SYMPOZIUM_TEST_MACHINE": str(layout.root)}


def execute(layout: Layout, command: list[str]) -> int:
    """Runs a command inside the cluster's namespaces, with this process's terminal. Returns its exit status.

    Raises:
        MachineError: The cluster is not there.
    """
    state = read(layout)
    if not state.alive:
        raise MachineError(f"the cluster in {layout.root} has ended; `down` clears it away")
    process = subprocess.Popen(namespaces.entering(state.holder, command), env=environment(layout))
    # Ctrl-C goes to the command as well, which ends in its own way; this process only waits.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def sweep(parent: Path) -> None:
    """Clears away the clusters of `run` whose starter was killed: their processes went with it, their folders did not."""
    for file in parent.glob(f"{cgroups.PREFIX}*/cluster.json"):
        layout = Layout(file.parent)
        with contextlib.suppress(MachineError):  # someone else clears the same away
            if not read(layout).alive:
                build.say(f"clearing away {layout.root}")
                down(layout)
