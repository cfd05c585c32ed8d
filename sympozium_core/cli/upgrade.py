"""``sympozium upgrade``: brings an installation to the version of this program, and takes away what that version has no more."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sympozium_core.cli.install import carry_out, check_not_helms, check_not_newer
from sympozium_core.cli.install_options import add_options
from sympozium_core.cli.target import add_cluster, cluster_of, connected, run_async

if TYPE_CHECKING:
    from sympozium_core.installer.installed import Installed


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _upgrade(arguments))


async def _upgrade(arguments: argparse.Namespace) -> int:
    from sympozium_core.installer.installed import find_installed

    async with connected(cluster_of(arguments)) as cluster:
        before = await find_installed(cluster)
        _check(before)
        return await carry_out(cluster, arguments, before)


def _check(before: Installed | None) -> None:
    """Raises Permanent where there is nothing to upgrade, NotFound where nothing is installed."""
    from sympozium_core.contracts.cluster import NotFound

    if before is None:
        raise NotFound("Sympozium is not installed on this cluster", hint="sympozium install")
    check_not_helms(before)
    check_not_newer(before, "an older version may not understand what the newer one has stored")
