"""Commands that plugins add: their packages are loaded only when a word is typed that the core does not know."""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches

from sympozium_core.cli.failures import Exit, guarded
from sympozium_core.names import GROUP_HOOKS
from sympozium_core.registry.calls import add_cli_commands
from sympozium_core.registry.catalogue import installed
from sympozium_core.registry.loading import Failure
from sympozium_core.registry.relay import Source, load_relay


def run_foreign(program: str, arguments: list[str], own: list[str]) -> int:
    """Runs a plugin's command, or says what was meant."""
    parser, commands, failures = foreign_parser(program)
    word = arguments[0]
    if word in commands.choices:
        parsed = parser.parse_args(arguments)
        return guarded(parsed.run, parsed)
    known = [*own, *commands.choices]
    near = get_close_matches(word, known, 1)
    print(f"error: there is no command {word!r}" + (f"; did you mean {near[0]}?" if near else ""), file=sys.stderr)
    for failure in failures:
        print(f"  plugin {failure.plugin} could not add its commands: {failure.message}", file=sys.stderr)
    print(f"see {program} --help", file=sys.stderr)
    return Exit.USAGE


def foreign_parser(
    program: str,
) -> tuple[argparse.ArgumentParser, argparse._SubParsersAction[argparse.ArgumentParser], list[Failure]]:
    """A parser with the commands of all plugins, and whoever could not add theirs."""
    parser = argparse.ArgumentParser(prog=program)
    commands = parser.add_subparsers()
    found = installed([GROUP_HOOKS])
    relay = load_relay(Source(entry.name, entry.value, entry.distribution, entry.version, entry.conflicts) for entry in found)
    failures = [*relay.failures, *add_cli_commands(relay, commands)]
    return parser, commands, failures
