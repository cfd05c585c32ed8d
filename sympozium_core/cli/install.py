"""``sympozium install``: puts the control plane on a cluster. Given again, it changes what differs and nothing else."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sympozium_core.cli.failures import Exit
from sympozium_core.cli.install_options import add_options, brought, chosen
from sympozium_core.cli.target import add_cluster, cluster_of, connected, run_async

if TYPE_CHECKING:
    from sympozium_core.cluster.client import ClusterClient
    from sympozium_core.installation.options import Options
    from sympozium_core.installer.installed import Installed


def configure(parser: argparse.ArgumentParser) -> None:
    add_options(parser)
    parser.add_argument("-o", "--output", choices=("yaml", "json"), help="print every object and contact nobody")
    add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.output:
        return _print(arguments)
    return run_async(lambda: _install(arguments))


def _print(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.output import print_documents
    from sympozium_core.installation.render import everything

    options = chosen(arguments, None)
    if not options.own_bus:
        print(f"warning: Secret {_bus_secret()} is yours to make: keys are not printed", file=sys.stderr)
    print_documents(everything(options), arguments.output)
    return Exit.OK


def _bus_secret() -> str:
    from sympozium_core import names

    return names.SECRET_BUS


async def _install(arguments: argparse.Namespace) -> int:
    from sympozium_core.installer.installed import find_installed, own_version

    async with connected(cluster_of(arguments)) as cluster:
        before = await find_installed(cluster)
        if before is not None:
            _check(before, own_version())
        return await carry_out(cluster, arguments, before)


def _check(before: Installed, version: str) -> None:
    """Raises Permanent where another command is meant."""
    from sympozium_core.errors import Permanent

    check_not_helms(before)
    if before.version != version:
        raise Permanent(
            f"version {before.version} is installed, and this is version {version}",
            hint="sympozium upgrade brings it up to date",
        )


def check_not_helms(before: Installed) -> None:
    """Raises Permanent for an installation that somebody else keeps."""
    from sympozium_core.errors import Permanent

    if before.by_helm:
        raise Permanent("Helm has installed Sympozium here", hint="helm upgrade and helm uninstall look after it")


def check_not_newer(before: Installed, because: str) -> None:
    """Raises Permanent for an installation by a newer version than this program's."""
    from sympozium_core.errors import Permanent
    from sympozium_core.installer.installed import own_version
    from sympozium_core.installer.versions import is_older

    if is_older(own_version(), before.version):
        raise Permanent(
            f"version {before.version} is installed, and this is the older version {own_version()}",
            hint=f"{because}; upgrade this program: pip install -U sympozium-core",
        )


async def carry_out(cluster: ClusterClient, arguments: argparse.Namespace, before: Installed | None) -> int:
    """What `install` and `upgrade` share."""
    from sympozium_core.installer.applying import How
    from sympozium_core.installer.installed import check_server
    from sympozium_core.installer.installing import Installation

    kubernetes = await check_server(cluster)
    options = await _fitted(cluster, chosen(arguments, before))
    own = brought(arguments, options)
    await _check_bus(cluster, options, keys_given=bool(own))
    print(f"Sympozium {options.version} on Kubernetes {kubernetes}, namespace {options.namespace}", flush=True)
    how = How(dry_run=arguments.dry_run, force=arguments.force_conflicts)
    installation = Installation(cluster, options, how, arguments.timeout, lambda line: print(line, flush=True))
    changes = await installation.carry_out(before, own)
    if not changes.any:
        print("nothing to change")
    elif arguments.dry_run:
        print(f"would create {changes.created}, change {changes.configured}, remove {changes.removed}")
    else:
        print(f"done: {changes.created} created, {changes.configured} changed, {changes.removed} removed")
    return Exit.OK


async def _fitted(cluster: ClusterClient, options: Options) -> Options:
    """With what can only be seen on the cluster: the ports of the API server."""
    from dataclasses import replace

    from sympozium_core.installer.installed import api_server_ports

    return replace(options, api_server_ports=await api_server_ports(cluster))


async def _check_bus(cluster: ClusterClient, options: Options, *, keys_given: bool) -> None:
    """Raises Permanent for a bus of the operator's own without the keys to it."""
    from sympozium_core.errors import Permanent
    from sympozium_core.installer.installed import has_bus_keys

    if options.own_bus or keys_given or await has_bus_keys(cluster, options):
        return
    raise Permanent(
        "a NATS of your own needs the key of the account that signs users: without it runs could not have users of their own, and each could read all",
        hint=f"--nats-keys FOLDER, or a Secret {_bus_secret()} in namespace {options.namespace}",
    )
