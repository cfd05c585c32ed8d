"""Errors as a person reads them, and exit codes as a script does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from enum import IntEnum

from sympozium_core.cli.printable import printable_lines
from sympozium_core.contracts.cluster import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from sympozium_core.errors import Cause, Refused, SympoziumError, Temporary
from sympozium_core.resources.kinds import UnknownKind


class Exit(IntEnum):
    """What `sympozium` returns to the shell."""

    OK = 0
    """Done; for `run`, the run succeeded. Also when whoever reads the output has had enough of it (`head`)."""
    ERROR = 1
    """Anything that no other code stands for, such as a plugin that `plugins list --check` finds broken."""
    USAGE = 2
    """The command line itself: an unknown command or option, or one that is missing."""
    NOT_FOUND = 3
    """What is named is not there."""
    INVALID = 4
    """The input breaks a rule of its own: a field, a value, a conflict with what is stored."""
    REFUSED = 5
    """A policy, a permission or a plugin says no."""
    UNAVAILABLE = 6
    """The server or the data directory cannot be used now; trying again may help."""
    RUN_FAILED = 7
    """The command worked, and the run that it watched ended in Failed."""
    RUN_CANCELLED = 8
    """The run that it watched ended in Cancelled, by somebody else."""
    INTERRUPTED = 130
    """Ctrl-C; the run that it watched has been cancelled."""


def exit_code(error: SympoziumError) -> Exit:
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, Invalid | BadRequest | Conflict | AlreadyExists | UnknownKind):
        return Exit.INVALID
    if isinstance(error, Forbidden | Refused):
        return Exit.REFUSED
    if isinstance(error, Unavailable | Temporary):
        return Exit.UNAVAILABLE
    return Exit.ERROR


def explain(error: SympoziumError) -> str:
    """The message and under it each cause with its field and what a good value looks like."""
    causes: tuple[Cause, ...] = getattr(error, "causes", ())
    if not causes:
        return printable_lines(f"error: {error}")
    if len(causes) == 1 and not isinstance(error, ApiError):
        return printable_lines(f"error: {causes[0]}")
    # A message of the API repeats its causes in one line, for those who see nothing else.
    head = _head(error.message, str(causes[0])) if isinstance(error, ApiError) else f"{len(causes)} problems"
    return printable_lines("\n".join([f"error: {head}", *(f"  - {cause}" for cause in causes)]))


def _head(message: str, first: str) -> str:
    """What stands before the first cause; a real API server puts several into brackets."""
    return message.split(f": {first}")[0].split(f": [{first}")[0]


def guarded(function: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """Runs a command; turns what a user may see into a message on standard error and a code. A bug keeps its traceback."""
    try:
        code = int(function(parsed))
        sys.stdout.flush()
        return code
    except SympoziumError as error:
        print(explain(error), file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        nobody_reads()
        return Exit.OK


def nobody_reads() -> None:
    """The reader of our output (head, a pager) has gone: what is still in the buffer goes nowhere, and the exit is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
