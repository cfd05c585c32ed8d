"""``sympozium doctor``: looks for everything that is known to go wrong, and says what to do."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.target import add_cluster, cluster_of, connected, run_async

if TYPE_CHECKING:
    from sympozium_core.installer.doctor.findings import Finding

COLUMN = 6


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--probe",
        action="store_true",
        help="start pods in a namespace of their own to find out whether NetworkPolicies are enforced",
    )
    parser.add_argument("-o", "--output", choices=("text", "json", "yaml"), default="text", help="how to print (default: text)")
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _doctor(arguments))


async def _doctor(arguments: argparse.Namespace) -> int:
    """1 when anything fails; warnings alone are 0."""
    from sympozium_core.cli.output import print_document
    from sympozium_core.contracts.cluster import NotFound
    from sympozium_core.installation.options import Options, released_images
    from sympozium_core.installer.doctor.examination import examine
    from sympozium_core.installer.doctor.findings import Level, Subject
    from sympozium_core.installer.installed import find_installed

    found = []
    async with connected(cluster_of(arguments)) as cluster:
        installed = await find_installed(cluster)
        if installed is None:
            raise NotFound("Sympozium is not installed on this cluster", hint="sympozium install")
        options = installed.options or Options(installed.version, released_images(installed.version))
        async for finding in examine(Subject(cluster, installed, options, arguments.probe)):
            found.append(finding)
            if arguments.output == "text":
                _print(finding)
    if arguments.output != "text":
        print_document([_as_json(finding) for finding in found], arguments.output)
    return Exit.ERROR if any(finding.level is Level.FAIL for finding in found) else Exit.OK


def _print(finding: Finding) -> None:
    from sympozium_core.cli.printable import printable

    print(f"{finding.level:<{COLUMN}}{printable(finding.what)}", flush=True)
    for line in finding.details:
        print(f"{'':<{COLUMN}}  {printable(line)}")
    if finding.todo:
        print(f"{'':<{COLUMN}}→ {printable(finding.todo)}", flush=True)


def _as_json(finding: Finding) -> dict[str, object]:
    return {"level": finding.level, "what": finding.what, "details": list(finding.details), "todo": finding.todo}
