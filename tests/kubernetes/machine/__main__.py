"""`python -m tests.kubernetes.machine`: builds, runs and enters a Kubernetes of this project's own."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.kubernetes.machine import build, cgroups, images, inside, lifecycle, names, outside, volumes
from tests.kubernetes.machine.errors import MachineError
from tests.kubernetes.machine.layout import Layout, usual

EXISTING = "SYMPOZIUM_TEST_KUBECONFIG"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.kubernetes.machine", description=__doc__)
    commands = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build every binary and base image that the cache lacks")
    run = commands.add_parser("run", help="bring a cluster up for one command and take it down afterwards")
    run.add_argument("--logs", type=Path, help="where the cluster's logs go before its folder goes")
    run.add_argument("--existing", action="store_true", help="use the cluster of KUBECONFIG and start nothing")
    up = commands.add_parser("up", help="bring a cluster up and leave it")
    for command in (run, up):
        command.add_argument("--node", action="store_true", help="with a node that runs real Pods")
        command.add_argument("--gvisor", action="store_true", help="with the RuntimeClass gvisor on the node")
        command.add_argument(
            "--simulated", type=int, default=0, metavar="N", help="with so many nodes that only look like nodes"
        )
    enter = commands.add_parser("exec", help="run a command in the cluster's namespaces")
    shell = commands.add_parser("shell", help="a shell in the cluster's namespaces")
    load = commands.add_parser("load", help="import an image archive into the node")
    load.add_argument("archive", type=Path)
    down = commands.add_parser("down", help="end a cluster and remove all of it")
    for command in (up, enter, shell, load, down):
        command.add_argument("--dir", type=Path, default=usual(), help="the cluster's folder (default: %(default)s)")
    for command in (run, enter):
        command.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
    for name in ("init", "outside", "volumes", "names"):  # processes of the cluster itself; no one else calls them
        commands.add_parser(name).add_argument("--dir", type=Path, required=True)
    return parser


def _command(given: list[str]) -> list[str]:
    command = given[1:] if given[:1] == ["--"] else given
    if not command:
        raise MachineError("name the command to run, after `--`")
    return command


def _wanted(arguments: argparse.Namespace) -> lifecycle.Wanted:
    return lifecycle.Wanted(arguments.node or arguments.gvisor, arguments.gvisor, arguments.simulated)


def _terminate(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _run(arguments: argparse.Namespace) -> int:
    command = _command(arguments.command)
    given = os.environ.get(EXISTING) or (os.environ.get("KUBECONFIG") if arguments.existing else None)
    if arguments.existing and not given:
        raise MachineError("--existing needs KUBECONFIG in the environment")
    if given:
        build.say(f"using the cluster of {given}; nothing is started")
        os.execvpe(command[0], command, {**os.environ, "KUBECONFIG": given, EXISTING: given})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    parent = Path(tempfile.gettempdir())
    lifecycle.sweep(parent)
    layout = Layout(Path(tempfile.mkdtemp(prefix=cgroups.PREFIX, dir=parent)))
    try:
        lifecycle.up(layout, _wanted(arguments), dies_with_parent=True)
        return lifecycle.execute(layout, command)
    finally:
        lifecycle.clear(layout, arguments.logs)


def _up(arguments: argparse.Namespace) -> None:
    layout = Layout(arguments.dir.resolve())
    try:
        lifecycle.up(layout, _wanted(arguments))
    except MachineError as error:
        raise MachineError(f"{error}\n(logs, if it came so far: {layout.logs})") from None
    name = "" if arguments.dir == usual() else f" --dir {arguments.dir}"
    say = "python -m tests.kubernetes.machine"
    print(f"enter it:  {say} shell{name}\none call:  {say} exec{name} -- kubectl get nodes\nend it:    {say} down{name}")


def main() -> int:
    arguments = _parser().parse_args()
    layout = Layout(arguments.dir.resolve()) if "dir" in arguments else None
    match arguments.action, layout:
        case "build", _:
            build.build()
            images.make_bases()
        case "run", _:
            return _run(arguments)
        case "up", _:
            _up(arguments)
        case "exec", Layout() as cluster:
            return lifecycle.execute(cluster, _command(arguments.command))
        case "shell", Layout() as cluster:
            return lifecycle.execute(cluster, [os.environ.get("SHELL", "/bin/sh")])
        case "load", Layout() as cluster:
            images.load(cluster, arguments.archive)
        case "down", Layout() as cluster:
            lifecycle.down(cluster)
        case "init", Layout() as cluster:
            inside.main(cluster)
        case "outside", _:
            outside.serve()
        case "volumes", Layout() as cluster:
            volumes.serve(cluster)
        case "names", Layout() as cluster:
            names.serve(cluster)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MachineError as problem:
        build.say(f"error: {problem}")
        sys.exit(1)
