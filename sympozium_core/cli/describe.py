"""``sympozium describe``: one object for a person, with the Events that tell its story."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from sympozium_core.cli.output import age, print_rows, without_values
from sympozium_core.cli.printable import printable, printable_lines
from sympozium_core.cli.target import add_scope, place_of, reach, run_async


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND[/NAME]")
    parser.add_argument("name", nargs="?", metavar="NAME")
    add_scope(parser)


def run(arguments: argparse.Namespace) -> int:
    return run_async(lambda: _describe(arguments))


async def _describe(arguments: argparse.Namespace) -> int:
    from sympozium_core.cli.get import list_all
    from sympozium_core.contracts.builtin_kinds import EVENT
    from sympozium_core.contracts.cluster import BadRequest
    from sympozium_core.resources import kinds

    word, _, name = arguments.kind.partition("/")
    kind = kinds.find(word)
    name = name or arguments.name
    if not name:
        raise BadRequest(f"which of the {kind.plural}?", hint=f"sympozium describe {kind.singular} NAME")
    async with reach(place_of(arguments)) as target:
        namespace = target.namespace if kind.namespaced else None
        found = await target.cluster.get(kind, namespace, name)
        events = await list_all(target.cluster, EVENT, namespace, fields=f"involvedObject.uid={found['metadata']['uid']}")
    _print(without_values(found), events)
    return 0


def _print(obj: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> None:
    metadata = obj["metadata"]
    print(f"{'Name:':<14}{metadata['name']}")
    if metadata.get("namespace"):
        print(f"{'Namespace:':<14}{metadata['namespace']}")
    print(f"{'Kind:':<14}{obj['kind']}")
    print(f"{'Created:':<14}{metadata.get('creationTimestamp')}")
    for title in ("labels", "annotations"):
        shown = {
            key: value for key, value in (metadata.get(title) or {}).items() if not key.startswith("kubectl.kubernetes.io/")
        }
        if shown:
            print(f"{title.capitalize() + ':':<14}" + ", ".join(f"{key}={value}" for key, value in sorted(shown.items())))
    for title in ("spec", "data", "status"):
        if obj.get(title):
            print(f"{title.capitalize()}:")
            _print_tree(obj[title], "  ")
    _print_events(events)


def _print_tree(value: Any, indent: str) -> None:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        if isinstance(item, Mapping | list) and item:
            print(f"{indent}{printable(str(key))}:")
            _print_tree(item, indent + "  ")
        else:
            lines = printable_lines(str(item)).splitlines() or [""]
            print(f"{indent}{printable(str(key))}: {lines[0]}")
            for line in lines[1:]:
                print(f"{indent}  {line}")


def _print_events(events: Sequence[Mapping[str, Any]]) -> None:
    if not events:
        print("Events:       <none>")
        return
    print("Events:")
    rows = []
    for event in events:
        count = int(event.get("count") or 1)
        moment = age(str(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp")))
        rows.append(
            [
                "  " + str(event.get("type")),
                str(event.get("reason")),
                moment + (f" (x{count})" if count > 1 else ""),
                printable_lines(str(event.get("message"))),
            ]
        )
    print_rows(["  TYPE", "REASON", "AGE", "MESSAGE"], rows)
