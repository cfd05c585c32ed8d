"""Errors as a person reads them, and exit codes as a script does."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from enum import IntEnum

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


class Exit(IntEnum):
    """What `sympozium` returns to the shell."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    INVALID = 4
    """The input breaks a rule of its own: a field, a value, a conflict with what is stored."""
    REFUSED = 5
    """A policy, a permission or a plugin says no."""
    UNAVAILABLE = 6
    RUN_FAILED = 7
    RUN_CANCELLED = 8
    INTERRUPTED = 130


def exit_code(error: SympoziumError) -> Exit:
    if isinstance(error, NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, Invalid | BadRequest | Conflict | AlreadyExists):
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
        return f"error: {error}"
    if len(causes) == 1 and not isinstance(error, ApiError):
        return f"error: {causes[0]}"
    head = error.message if isinstance(error, ApiError) else f"{len(causes)} problems"
    return "\n".join([f"error: {head}", *(f"  - {cause}" for cause in causes)])


def guarded(function: Callable[[argparse.Namespace], int], parsed: argparse.Namespace) -> int:
    """Runs a command; turns what a user may see into a message on standard error and a code. A bug keeps its traceback."""
    try:
        return int(function(parsed))
    except SympoziumError as error:
        print(explain(error), file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, a pager) has gone; keep the interpreter from complaining at exit.
        sys.stdout = None
        return Exit.OK
