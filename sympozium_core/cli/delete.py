"""``sympozium delete``: by kind and name, by label, or what files name."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from typing import TYPE_CHECKING

from sympozium_core.backoff import BackOff
from sympozium_core.cli.failures import Exit, exit_code, explain
from sympozium_core.cli.target import Target, add_scope, place_of, reach, run_async

if TYPE_CHECKING:
    from sympozium_core.contracts.cluster import Cluster, ResourceType

POLL = BackOff(first=0.05, factor=1.5, longest=1.0)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND[/NAME]")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-f", "--filename", action="append", metavar="FILE|DIR|-", help="delete what these files name")
    parser.add_argument("-l", "--selector", default="", help="delete what has these labels")
    parser.add_argument("--all", action="store_true", help="delete all of the kind in the namespace")
    parser.add_argument("--ignore-not-found", action="store_true", help="what is not there is fine")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait until it is gone (default: 60)")
    add_scope(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _delete_all(arguments))


async def _delete_all(arguments: argparse.Namespace) -> int:
    from sympozium_core.errors import SympoziumError

    named = _named(arguments)
    code: int = Exit.OK
    async with reach(place_of(arguments), controllers=True) as target:
        for kind, own, name in named if named is not None else await _selected(arguments, target):
            namespace = (own or target.namespace) if kind.namespaced else None
            try:
                await _delete(target.cluster, kind, namespace, name, arguments)
            except SympoziumError as error:
                print(explain(error), file=sys.stderr)
                code = code or exit_code(error)
    return code


def _named(arguments: argparse.Namespace) -> list[tuple[ResourceType, str | None, str]] | None:
    """What the command line or the files name, with the namespace that a file gives it; None when labels or --all select."""
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.resources import kinds

    if arguments.filename:
        from sympozium_core.cli.manifests import read_manifests

        found = []
        for manifest in reversed(read_manifests(arguments.filename, recursive=False)):
            metadata = manifest.object["metadata"]
            if metadata.get("name"):
                found.append((manifest.kind, metadata.get("namespace"), metadata["name"]))
        return found
    if not arguments.kind:
        raise BadRequest("nothing to delete", hint="name a KIND and a NAME, or give -f FILE")
    word, _, first = arguments.kind.partition("/")
    kind = kinds.find(word)
    wanted = [first, *arguments.names] if first else arguments.names
    if wanted:
        return [(kind, None, name) for name in wanted]
    if arguments.selector or arguments.all:
        return None
    raise BadRequest(f"which {kind.plural}?", hint="give names, -l SELECTOR or --all")


async def _selected(arguments: argparse.Namespace, target: Target) -> list[tuple[ResourceType, str | None, str]]:
    from sympozium_core.cli.get import list_all
    from sympozium_core.resources import kinds

    kind = kinds.find(arguments.kind)
    found = await list_all(target.cluster, kind, target.namespace if kind.namespaced else None, arguments.selector)
    return [(kind, None, obj["metadata"]["name"]) for obj in found]


async def _delete(
    cluster: Cluster, kind: ResourceType, namespace: str | None, name: str, arguments: argparse.Namespace
) -> None:
    from sympozium_core.contracts.cluster import NotFound

    try:
        left = await cluster.delete(kind, namespace, name)
        if left.get("metadata", {}).get("deletionTimestamp"):
            await _until_gone(cluster, kind, namespace, name, arguments.timeout)
    except NotFound:
        if not arguments.ignore_not_found:
            raise
        return
    print(f"{kind.singular}/{name} deleted")


async def _until_gone(cluster: Cluster, kind: ResourceType, namespace: str | None, name: str, timeout: float) -> None:
    from sympozium_core.contracts.cluster import NotFound, Unavailable

    try:
        async with asyncio.timeout(timeout):
            for times in itertools.count(1):
                await cluster.get(kind, namespace, name)
                await asyncio.sleep(POLL.delay(times))
    except NotFound:
        return
    except TimeoutError as error:
        raise Unavailable(
            f"{kind.singular}/{name} is still there after {timeout:g} s",
            hint=f"see what holds it: sympozium describe {kind.singular} {name}",
        ) from error
