"""``sympozium instances list``."""

from __future__ import annotations

import argparse

from sympozium_core.cli import get


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list")
    listing = verbs.add_parser("list", help="list instances")
    get.add_list_options(listing)


def run(arguments: argparse.Namespace) -> int:
    from sympozium_core.resources.kinds import SYMPOZIUM_INSTANCE

    return get.show(arguments, SYMPOZIUM_INSTANCE, [])
