"""``sympozium``: finds the command, imports its module alone, runs it."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

PROGRAM = "sympozium"

COMMANDS: dict[str, str] = {
    "run": "run a task on an instance and watch it",
    "apply": "create or change resources from files",
    "get": "list resources, or print some",
    "describe": "show one resource with its events",
    "delete": "delete resources",
    "instances": "list instances",
    "runs": "list runs, show one, read its log, cancel it",
    "approvals": "list tool calls that wait for approval, show one",
    "approve": "let a tool call run that waits for approval",
    "deny": "refuse a tool call that waits for approval",
    "policy": "check policies, try a run against one, and explain what was decided for a run",
    "features": "list, enable and disable the feature gates of a policy",
    "secrets": "create a Secret without putting its value on the command line",
    "plugins": "list installed plugins, show one, check them",
    "skills": "list installed skills; check and try one that is being written",
    "serve": "run the control plane on this machine",
    "install": "put the control plane on a cluster",
    "upgrade": "bring the control plane of a cluster to this version",
    "uninstall": "take the control plane off a cluster",
    "status": "show how the control plane of a cluster is",
    "doctor": "find out what is wrong with a control plane, and what to do",
    "demo": "see an agent work",
    "version": "print the version",
}
"""Each is a module of this package; the order is that of the help."""


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code; see `failures` for their meaning."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        return _guarded(_print_help, argparse.Namespace())
    if arguments[0] == "--version":
        arguments[0] = "version"
    name = arguments[0]
    if name not in COMMANDS:
        return _foreign(arguments)
    command = import_module(f"sympozium_core.cli.{name}")
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=COMMANDS[name])
    command.configure(parser)
    parsed = parser.parse_args(arguments[1:])
    return _guarded(command.run, parsed)


def _guarded(function: object, parsed: argparse.Namespace) -> int:
    from sympozium_core.cli.failures import guarded

    return guarded(function, parsed)  # type: ignore[arg-type]  # each command's run takes the parsed arguments and returns a code


def _print_help(parsed: argparse.Namespace) -> int:
    print(_help())
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:<{width}}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {PROGRAM} COMMAND …",
            "",
            "Runs AI agents the way Kubernetes runs workloads: every run a pod, every policy a resource, every execution a job.",
            "",
            *lines,
            "",
            f"{PROGRAM} COMMAND --help tells more. Installed plugins may add commands: {PROGRAM} plugins commands",
        ]
    )


def _foreign(arguments: list[str]) -> int:
    """A command the core does not know may be a plugin's."""
    from sympozium_core.cli.foreign import run_foreign

    return int(run_foreign(PROGRAM, arguments, list(COMMANDS)))


if __name__ == "__main__":
    sys.exit(main())
