"""The words of a command line that needs no shell: what is left of it when everything that a shell would do more than split is refused.

Every POSIX shell splits such a line into the same words (POSIX.1-2024, Shell Command Language, 2.2 Quoting, 2.3 Token Recognition).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from sympozium_core.names import Tool

MAX_COMMAND = 32_768
"""Characters."""
MAX_WORDS = 512
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./- \t")
"""What may stand outside of quotes. A list of what is harmless, because nobody knows every list of what is not."""
_ACTIVE = frozenset('$`\\"!')
"""What a shell looks for between double quotes."""
_RESERVED = frozenset(
    "case coproc do done elif else esac fi for function if in select then time until while".split()  # noqa: SIM905
)
"""Words that are no program where a command begins."""


def argv_of(tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
    """`argv` of a call: of an `execute_command` whose command is free of shell operators; None for every other call."""
    command = arguments.get("command")
    return words_of(command) if tool == Tool.EXECUTE_COMMAND and isinstance(command, str) else None


def words_of(command: str) -> tuple[str, ...] | None:
    """The words of a command line, program first; None where a shell would do more than split it, or might."""
    if len(command) > MAX_COMMAND or not _inert(command):
        return None
    try:
        command.encode()
        words = tuple(shlex.split(command))
    except ValueError:  # a lone surrogate, which no program can be given, or a quote without an end
        return None
    if not words or len(words) > MAX_WORDS or not words[0] or "=" in words[0] or words[0] in _RESERVED:
        return None
    return words


def command_of(argv: tuple[str, ...]) -> str:
    """The same words as one command line, all that is not plain in quotes: for a tool server that knows nothing of `argv`."""
    return shlex.join(argv)


def _inert(command: str) -> bool:
    quote = ""
    for character in command:
        if (character < " " and character != "\t") or character == "\x7f":
            return False
        if quote:
            if character == quote:
                quote = ""
            elif quote == '"' and character in _ACTIVE:
                return False
        elif character in "'\"":
            quote = character
        elif character not in _PLAIN:
            return False
    return not quote
