"""``sympozium version``."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print it (default: text)")


def run(arguments: argparse.Namespace) -> int:
    from importlib.metadata import version

    number = version("sympozium-core")
    print(f'{{"version": "{number}"}}' if arguments.output == "json" else f"sympozium {number}")
    return 0
