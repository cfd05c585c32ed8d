"""Namespaces of its own for a cluster: network, mounts and processes.

The first process in them (`init`) brings the cluster up and reaps what nobody waits for. When it ends, the kernel ends every process of the
cluster, and with the last one go the interfaces, the packet filter's tables and all mounts: nothing has to be undone one by one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.kubernetes.machine.build import find
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import ROOT, Layout
from tests.kubernetes.machine.system import call

COVERED = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/containers")
"""Folders that kubelet and the network plugins insist on; the cluster sees its own in their place."""
KERNEL = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Settings of the whole machine that kubelet wants to change. It is shown files that hold what it wants, and changes nothing."""


def create(layout: Layout, dies_with_parent: bool) -> subprocess.Popen[bytes]:
    """Starts the process that holds the namespaces; the cluster comes up in the background.

    Raises:
        MachineError: A program is missing.
    """
    command = [find("unshare"), "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    command += [sys.executable, "-m", "tests.kubernetes.machine", "init", "--dir", str(layout.root)]
    if dies_with_parent:
        command = [find("setpriv"), "--pdeathsig", "KILL", *command]
    with (layout.logs / "init.log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def entering(holder: int, command: list[str]) -> list[str]:
    """The command that runs this one in the namespaces, in the folder where the caller is."""
    into = ["--net", "--mount", f"--pid=/proc/{holder}/ns/pid_for_children"]
    return [find("nsenter"), f"--target={holder}", *into, "--", "env", f"--chdir={Path.cwd()}", *command]


def prepare_covered(others: bool) -> list[str]:
    """Makes the folders that will be covered where the machine lacks them. Returns those that go with the last cluster.

    `others`: a cluster is there already, and an empty folder is taken for one that it made.
    """
    made = []
    for folder in map(Path, COVERED):
        if not folder.exists() or (others and not any(folder.iterdir())):
            folder.mkdir(parents=True, exist_ok=True)
            made.append(str(folder))
    return made


def furnish(layout: Layout, node: bool) -> None:
    """Inside: mounts what the cluster is to see in place of the machine's own; more of it with a node.

    Raises:
        MachineError: The kernel refused a mount.
    """
    call("mount", "--make-rshared", "/")
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in COVERED if node else ():
        own = layout.data / Path(folder).name
        own.mkdir(exist_ok=True)
        call("mount", "--bind", str(own), folder)
    for name, value in KERNEL.items():
        shown = layout.conf / name.replace("/", ".")
        shown.write_text(value + "\n")
        call("mount", "--bind", str(shown), f"/proc/sys/{name}")


def check_overlay(layout: Layout) -> None:
    """Inside: sees that containers' file systems can be made in the cluster's folder.

    Raises:
        MachineError: The kernel has no overlayfs, or not on this file system.
    """
    folders = {name: layout.data / "overlay" / name for name in ("lowerdir", "upperdir", "workdir", "merged")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    merged = str(folders.pop("merged"))
    options = ",".join(f"{name}={folder}" for name, folder in folders.items())
    try:
        call("mount", "-t", "overlay", "-o", options, "overlay", merged)
        call("umount", merged)
    except MachineError as error:
        raise MachineError(
            f"no overlayfs in {layout.root}: {error}; name a folder on another file system with TMPDIR or --dir"
        ) from None


def reap() -> None:
    """Inside, as the first process: waits for every process that is nobody's, until it is ended itself."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            raise SystemExit(0) from None
