"""``sympozium get``: any kind by any of its names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.failures import Exit, exit_code, explain
from sympozium_core.cli.output import add_output, print_objects
from sympozium_core.cli.target import add_scope, place_of, reach, run_async, scope_of

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
    code: int = Exit.OK
    async with reach(place_of(arguments)) as target:
        namespace = scope_of(arguments, target) if kind.namespaced else None
        if wanted:
            objects, code = await _named(target.cluster, kind, target.namespace if kind.namespaced else None, wanted)
        else:
            objects = await list_all(target.cluster, kind, namespace, arguments.selector)
    if not objects and code:
        return code
    if not objects and arguments.output in ("table", "wide"):
        where = "" if namespace is None else f" in namespace {namespace}"
        print(f"no {kind.plural}{where}")
        return 0
    print_objects(kind, objects, arguments.output, single=len(wanted) == 1, everywhere=namespace is None and kind.namespaced)
    return code


async def _named(
    cluster: Cluster, kind: ResourceType, namespace: str | None, wanted: list[str]
) -> tuple[list[Mapping[str, Any]], int]:
    """Those that are there, and the code of the first that is not; each of these is said."""
    from sympozium_core.contracts.cluster import NotFound

    found: list[Mapping[str, Any]] = []
    code: int = Exit.OK
    for name in wanted:
        try:
            found.append(await cluster.get(kind, namespace, name))
        except NotFound as error:
            print(explain(error), file=sys.stderr)
            code = code or exit_code(error)
    return found, code


async def list_all(
    cluster: Cluster, kind: ResourceType, namespace: str | None, selector: str = "", *, fields: str = ""
) -> list[Mapping[str, Any]]:
    """Every object, page by page; Events in the order in which they came about, anything else by name."""
    from sympozium_core.contracts.builtin_kinds import EVENT

    found: list[Mapping[str, Any]] = []
    token = ""
    while True:
        page = await cluster.list(kind, namespace, labels=selector, fields=fields, limit=500, continue_token=token)
        found += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page.items]
        token = page.continue_token
        if not token:
            return sorted(found, key=came_about) if kind is EVENT else found


def came_about(event: Mapping[str, Any]) -> tuple[str, int]:
    """Sorts Events: times have whole seconds, within one the store's own order decides."""
    metadata = event["metadata"]
    version = str(metadata.get("resourceVersion"))
    return str(event.get("lastTimestamp") or metadata.get("creationTimestamp")), int(version) if version.isdigit() else 0
