"""The command line, from the parsers that read it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

from tables import code, page, prose, table

from sympozium_core.cli.main import COMMANDS, PROGRAM


def cli() -> str:
    parts = [
        "Each command works with or without a running `sympozium serve` on the same data directory. What it returns to the shell is in "
        "[exit codes](exit-codes.md)."
    ]
    for name, text in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"{PROGRAM} {name}", description=text)
        import_module(f"sympozium_core.cli.{name}").configure(parser)
        for command, does, options in _commands(parser, text):
            parts += [f"## {command}", _sentence(does), *_tables(options)]
    return page("Command line", "sympozium_core/cli", *parts)


def _commands(parser: argparse.ArgumentParser, text: str) -> Iterator[tuple[str, str, list[argparse.Action]]]:
    options = [action for action in parser._actions if action.help is not argparse.SUPPRESS and action.dest != "help"]
    verbs = next((action for action in options if isinstance(action, argparse._SubParsersAction)), None)
    if verbs is None:
        yield parser.prog, text, options
        return
    helps = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    for name, child in verbs.choices.items():
        yield from _commands(child, helps[name])


def _tables(options: list[argparse.Action]) -> Iterator[str]:
    arguments = [action for action in options if not action.option_strings]
    if arguments:
        yield table(["Argument", "Meaning"], ([code(_shown(action)), prose(action.help)] for action in arguments))
    flags = [action for action in options if action.option_strings]
    if flags:
        yield table(["Option", "Meaning"], ([_flag(action), _meaning(action)] for action in flags))


def _shown(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest)
    return {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}.get(str(action.nargs or ""), name)


def _flag(action: argparse.Action) -> str:
    value = (
        ""
        if action.nargs == 0
        else f" {action.metavar or ('|'.join(action.choices) if action.choices else action.dest.upper())}"
    )
    return ", ".join(code(f"{flag}{value}") for flag in action.option_strings) + (" (required)" if action.required else "")


def _meaning(action: argparse.Action) -> str:
    text = prose((action.help or "").replace("%(default)s", str(action.default)))
    if action.choices and "default" not in text and isinstance(action.default, str):
        text = f"{text} (default: {action.default})".strip()
    return text


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
