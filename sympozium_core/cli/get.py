"""``sympozium get``: any kind by any of its names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.output import add_output, print_objects
from sympozium_core.cli.target import add_scope, namespace_of, reach, run_async, settings_of

if TYPE_CHECKING:
    from sympozium_core.contracts.cluster import Cluster, ResourceType


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND[/NAME]", help="such as instances, runs, si, agentruns.sympozium.ai")
    parser.add_argument("names", nargs="*", metavar="NAME")
    add_list_options(parser)


def add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-l", "--selector", default="", help="only objects with these labels: key=value,other!=value")
    add_output(parser)
    add_scope(parser, all_namespaces=True)


def run(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources import kinds

    kind_name, _, name = arguments.kind.partition("/")
    wanted = [name, *arguments.names] if name else arguments.names
    return show(arguments, kinds.find(kind_name), wanted)


def show(arguments: argparse.Namespace, kind: ResourceType, wanted: list[str]) -> int:
    return run_async(lambda: _show(arguments, kind, wanted))


async def _show(arguments: argparse.Namespace, kind: ResourceType, wanted: list[str]) -> int:
    namespace = namespace_of(arguments) if kind.namespaced else None
    objects: list[Mapping[str, Any]]
    async with reach(settings_of(arguments)) as target:
        if wanted:
            objects = [
                await target.cluster.get(kind, namespace or (arguments.namespace if kind.namespaced else None), name)
                for name in wanted
            ]
        else:
            objects = await list_all(target.cluster, kind, namespace, arguments.selector)
    if not objects and arguments.output in ("table", "wide"):
        where = "" if namespace is None else f" in namespace {namespace}"
        print(f"no {kind.plural}{where}")
        return 0
    print_objects(kind, objects, arguments.output, single=len(wanted) == 1, everywhere=namespace is None and kind.namespaced)
    return 0


async def list_all(cluster: Cluster, kind: ResourceType, namespace: str | None, selector: str = "") -> list[Mapping[str, Any]]:
    """Every object, page by page."""
    found: list[Mapping[str, Any]] = []
    token = ""
    while True:
        page = await cluster.list(kind, namespace, labels=selector, limit=500, continue_token=token)
        found += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.items]
        token = page.continue_token
        if not token:
            return found
