"""``sympozium plugins``: what is installed, without importing it; ``--check`` loads each in a process of its own. And a start for one's own."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sympozium_core.cli.output import age, print_document, print_rows
from sympozium_core.cli.printable import printable
from sympozium_core.cli.target import add_data_dir, settings_of
from sympozium_core.clock import rfc3339

if TYPE_CHECKING:
    from sympozium_core.registry.catalogue import Installed
    from sympozium_core.registry.record import State

KINDS = ("provider", "channel", "sandbox", "memory", "skill", "harness", "hook", "bridge hook")


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|show|commands|new|image")
    listing = verbs.add_parser("list", help="list installed plugins")
    listing.add_argument("--kind", choices=KINDS, help="only of this kind")
    listing.add_argument("--check", action="store_true", help="load each in a process of its own, and say why one fails")
    listing.add_argument("-o", "--output", choices=("table", "wide", "json", "yaml", "name"), default="table")
    add_data_dir(listing)
    show = verbs.add_parser("show", help="show one plugin")
    show.add_argument("name", metavar="[KIND/]NAME")
    show.add_argument("--check", action="store_true", help="load it in a process of its own")
    show.add_argument("-o", "--output", choices=("table", "json", "yaml"), default="table")
    add_data_dir(show)
    verbs.add_parser("commands", help="list commands that plugins add")
    new = verbs.add_parser("new", help="write the package of a new plugin")
    new.add_argument("new_kind", metavar="skill|provider|channel|sandbox|memory|harness|hook", help="what it is to be")
    new.add_argument("name", metavar="NAME", help="what it is called, such as word-count")
    new.add_argument(
        "--directory", type=Path, default=Path(), metavar="FOLDER", help="where its folder is made (default: here)"
    )
    image = verbs.add_parser("image", help="print the recipe of images that have the installed plugins")
    image.add_argument(
        "--base", default="", metavar="IMAGE", help="image of the control plane that it adds to (default: this version's)"
    )
    image.add_argument(
        "--skill-base", default="", metavar="IMAGE", help="image of skills that it adds to (default: this version's)"
    )
    image.add_argument("--python", default="", metavar="IMAGE", help="an image that has pip (default: Python's own)")
    image.add_argument(
        "--wheels", default="", metavar="FOLDER", help="take every wheel from this folder beside the recipe, and ask no index"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "commands":
        return _commands()
    if arguments.verb == "new":
        return _new(arguments)
    if arguments.verb == "image":
        return _image(arguments)
    found = _installed(arguments)
    if arguments.verb == "show":
        return _show(arguments, found)
    if arguments.kind:
        found = [entry for entry in found if entry.kind == arguments.kind]
    found = _checked(arguments, found) if arguments.check else found
    _print_list(arguments.output, found)
    return int(arguments.check and any(entry.state is not None and not entry.state.ok for entry in found))


def _new(arguments: argparse.Namespace) -> int:
    from sympozium_core.registry.scaffold import write_package

    made = write_package(arguments.new_kind, arguments.name, arguments.directory)
    folder = next(path.parent for path in made if path.name == "setup.cfg")
    for path in made:
        print(path)
    print(f"\nnow: cd {folder} && pip install -e '.[test]' && pytest --sympozium-conformance")
    return 0


def _image(arguments: argparse.Namespace) -> int:
    from sympozium_core.registry.image_recipe import Sources, recipe

    print(recipe(Sources(arguments.base, arguments.skill_base, arguments.python, arguments.wheels)), end="")
    return 0


def _installed(arguments: argparse.Namespace) -> list[Installed]:
    from sympozium_core.registry.catalogue import installed
    from sympozium_core.registry.record import Record

    return installed(record=Record.in_directory(settings_of(arguments).data_dir))


def _checked(arguments: argparse.Namespace, entries: list[Installed]) -> list[Installed]:
    """The same entries with the state that this check found, which is recorded too."""
    from dataclasses import replace

    from sympozium_core.registry.checks import check_all
    from sympozium_core.registry.record import Record, State

    record = Record.in_directory(settings_of(arguments).data_dir)
    import time

    return [
        replace(
            result.entry, state=State(result.ok, result.reason, time.time(), result.entry.version, result.entry.distribution)
        )
        for result in asyncio.run(check_all(entries, record=record))
    ]


def _print_list(form: str, entries: list[Installed]) -> None:
    if form in ("json", "yaml"):
        print_document([_document(entry) for entry in entries], form)
    elif form == "name":
        for entry in entries:
            print(f"{entry.kind}/{entry.name}")
    elif not entries:
        print("no plugins are installed")
    else:
        head = ["KIND", "NAME", "VERSION", "DISTRIBUTION", "STATE"] + (["SUMMARY"] if form == "wide" else [])
        rows = [
            [entry.kind, entry.name, entry.version, entry.distribution, state_text(entry)]
            + ([entry.summary] if form == "wide" else [])
            for entry in entries
        ]
        print_rows(head, [[printable(cell) for cell in row] for row in rows])


def state_text(entry: Installed) -> str:
    if entry.conflicts:
        return f"conflict: also in {', '.join(entry.conflicts)}"
    if entry.state is None:
        return "not loaded yet"
    if not entry.state_is_current:
        return f"not loaded yet (was {entry.state.version or 'another version'})"
    return "ok" if entry.state.ok else f"broken: {entry.state.reason}"


def _show(arguments: argparse.Namespace, entries: list[Installed]) -> int:
    from sympozium_core.contracts.cluster import NotFound

    kind, _, name = arguments.name.rpartition("/")
    matching = [entry for entry in entries if entry.name == name and kind in ("", entry.kind)]
    if not matching:
        known = ", ".join(sorted({entry.name for entry in entries})) or "none"
        raise NotFound(f"no plugin is called {arguments.name!r}", hint=f"installed: {known}")
    if arguments.check:
        matching = _checked(arguments, matching)
    if arguments.output != "table":
        print_document([_document(entry) for entry in matching], arguments.output)
        return 0
    for entry in matching:
        for title, value in _facts(entry).items():
            print(f"{title + ':':<14}{printable(value)}")
    return 0


def _facts(entry: Installed) -> dict[str, str]:
    facts = {
        "Name": entry.name,
        "Kind": entry.kind,
        "Distribution": f"{entry.distribution} {entry.version}",
        "Summary": entry.summary,
        "Entry point": f"{entry.group}: {entry.value}",
        "State": state_text(entry),
    }
    if entry.state is not None:
        facts["Last loaded"] = age(rfc3339(entry.state.at)) + " ago"
    return facts


def _document(entry: Installed) -> dict[str, Any]:
    state: State | None = entry.state
    return {
        "kind": entry.kind,
        "name": entry.name,
        "version": entry.version,
        "distribution": entry.distribution,
        "summary": entry.summary,
        "group": entry.group,
        "value": entry.value,
        "conflicts": list(entry.conflicts),
        "state": None
        if state is None
        else {"ok": state.ok, "reason": state.reason, "at": rfc3339(state.at), "version": state.version},
    }


def _commands() -> int:
    from sympozium_core.cli.foreign import foreign_parser

    _, commands, failures = foreign_parser("sympozium")
    for name in commands.choices:
        print(name)
    for failure in failures:
        print(f"plugin {failure.plugin}: {failure.message}")
    if not commands.choices:
        print("no plugin adds a command")
    return 0
