"""What a checker of one field raises: what is wrong, and what a good value looks like.

The checkers of names, durations, quantities, cron lines and time zones are plain functions that know no model, so the command line
uses them on its own flags too.
"""

from __future__ import annotations

LONGEST_SHOWN = 60
"""Characters of a refused value that a message shows: enough to find it, too few to leak a prompt."""


class Fault(ValueError):
    """A value that a field cannot have. `str()` is the message without the hint."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def shown(value: object) -> str:
    """The value as a message shows it: JSON-like, cut."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = repr(value[: LONGEST_SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
