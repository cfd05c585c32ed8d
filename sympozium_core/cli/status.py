"""``sympozium status``: how the control plane of a cluster is, in one table."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.target import add_cluster, cluster_of, connected, run_async

if TYPE_CHECKING:
    from sympozium_core.installer.overview import Overview


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default="table", help="how to print (default: a table)"
    )
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _status(arguments))


async def _status(arguments: argparse.Namespace) -> int:
    """1 when something does not work, 3 when nothing is installed."""
    from sympozium_core.cli.output import print_document
    from sympozium_core.contracts.cluster import NotFound
    from sympozium_core.installer.installed import find_installed
    from sympozium_core.installer.overview import look

    async with connected(cluster_of(arguments)) as cluster:
        installed = await find_installed(cluster)
        if installed is None:
            raise NotFound("Sympozium is not installed on this cluster", hint="sympozium install")
        overview = await look(cluster, installed)
    if arguments.output == "table":
        _print(overview)
    else:
        print_document(overview.as_json(), arguments.output)
    return Exit.OK if overview.fine else Exit.ERROR


def _print(overview: Overview) -> None:
    from sympozium_core.cli.output import print_rows
    from sympozium_core.cli.printable import printable

    print_rows(
        ["COMPONENT", "READY", "VERSION", "STATE"],
        [[each.name, each.counted, each.version, printable(each.state)] for each in overview.components],
    )
    counted = ", ".join(f"{count} {phase}" for phase, count in overview.runs.items()) or "none"
    print(f"\nSympozium {overview.version}; instances: {overview.instances}; runs: {counted}")
