"""Names of tools, and patterns over them: ``execute_command``, ``memory_*``."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from sympozium_core.resources.faults import Fault, shown

NAME = r"^[a-z][a-z0-9_]*$"
PATTERN = r"^[A-Za-z0-9_*?][A-Za-z0-9_.:/*?-]*$"
PREFIX = r"^[A-Za-z][A-Za-z0-9_-]*$"
MAX_NAME = 64
MAX_PREFIX = 32
MAX_PATTERN = 128
_NAME = re.compile(NAME)
_PATTERN = re.compile(PATTERN)
_PREFIX = re.compile(PREFIX)


def name(text: str) -> str:
    """The name of a tool that a SkillPack declares. Raises Fault."""
    if len(text) > MAX_NAME or not _NAME.fullmatch(text):
        raise Fault(f"{shown(text)} is no name of a tool", "at most 64 lower-case letters, digits and '_', such as list_pods")
    return text


def pattern(text: str) -> str:
    """A tool's name, or a pattern in which ``*`` stands for any characters and ``?`` for one. Raises Fault."""
    if len(text) > MAX_PATTERN or not _PATTERN.fullmatch(text):
        raise Fault(f"{shown(text)} is no tool", "a tool's name, such as read_file, or a pattern, such as memory_*")
    return text


def prefix(text: str) -> str:
    """What is put before the names of a server's tools. Raises Fault."""
    if len(text) > MAX_PREFIX or not _PREFIX.fullmatch(text):
        raise Fault(f"{shown(text)} is no prefix", f"at most {MAX_PREFIX} letters, digits, '_' and '-', such as github")
    return text


def matches(text: str, tool: str) -> bool:
    """Whether the pattern names the tool; case counts."""
    return text == tool or fnmatchcase(tool, text)


def overlap(one: str, other: str) -> bool:
    """Whether one of two patterns covers the other; two patterns with a star each may meet without this saying so."""
    return matches(one, other) or matches(other, one)
