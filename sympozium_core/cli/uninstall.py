"""``sympozium uninstall``: takes the control plane off a cluster. What people have made stays, unless it is to go too."""

from __future__ import annotations

import argparse

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.target import add_cluster, cluster_of, connected, run_async

TIMEOUT = 300.0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--wait", action="store_true", help="wait for runs that are going, instead of refusing")
    parser.add_argument(
        "--force",
        action="store_true",
        help="cancel runs that are going, and go on where something does not end or a newer version was installed",
    )
    parser.add_argument(
        "--delete-data",
        action="store_true",
        help="also delete every instance, run and policy, the bus's volume and the namespace",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="how long to wait for what ends (default: 300)"
    )
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _uninstall(arguments))


async def _uninstall(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.install import check_not_helms, check_not_newer
    from sympozium_core.installer.installed import find_installed
    from sympozium_core.installer.removing import Removal

    async with connected(cluster_of(arguments)) as cluster:
        before = await find_installed(cluster)
        if before is not None:
            check_not_helms(before)
            if not arguments.force:
                check_not_newer(before, "an older version may not know all that the newer one has made")
        removal = Removal(
            cluster,
            lambda line: print(line, flush=True),
            arguments.timeout,
            delete_data=arguments.delete_data,
            wait=arguments.wait,
            force=arguments.force,
            dry_run=arguments.dry_run,
        )
        gone = await removal.carry_out(before)
    if not gone:
        print("nothing to remove")
    elif arguments.dry_run:
        print(f"would remove {gone}{_kept(arguments)}")
    else:
        print(f"done: {gone} removed{_kept(arguments)}")
    return Exit.OK


def _kept(arguments: argparse.Namespace) -> str:
    if arguments.delete_data:
        return ""
    return "; resources, the bus's volume and the namespace are kept (--delete-data removes them)"
