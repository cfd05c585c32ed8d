"""Cron lines: exactly the five fields of crontab(5), an ``@name``, or ``@every`` with a duration.

Accepts what the original's parser takes (robfig/cron v3 ``ParseStandard``) and 7 for Sunday, and nothing of what other parsers add
(seconds, ``L``, ``#``, ``W``). Checked here without croniter, which is dear to import; that computes the times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sympozium_core.resources import durations
from sympozium_core.resources.faults import Fault, shown

MAX_LENGTH = 256
NAMES = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
PATTERN = r"^\s*(@(yearly|annually|monthly|weekly|daily|midnight|hourly|every\s+\S+)|\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s*$"
_HINT = 'minute hour day month weekday, such as "0 9 * * 1-5" (weekdays at nine) or @daily'
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(r"(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:/([0-9]+))?")


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    star: bool = False
    """Takes ``?`` for ``*``."""

    def number(self, text: str) -> int:
        if text in self.words:
            return self.words.index(text) + self.low
        if not text.isdigit() or len(text) > 4:
            raise Fault(f"{shown(text)} is no {self.name}", _HINT)
        found = int(text)
        if not self.low <= found <= self.high:
            raise Fault(f"{self.name} {found} is out of range", f"{self.low} to {self.high}")
        return found


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31, star=True),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 7, _WEEKDAYS, star=True),
)


def check(line: str) -> str:
    """The line as given, when it can fire. Raises Fault."""
    words = line.split()
    if not words or len(line) > MAX_LENGTH:
        raise Fault(f"{shown(line)} is no cron line", _HINT)
    if words[0].startswith("@"):
        _check_name(line, words)
        return line
    if len(words) != len(_FIELDS):
        extra = "; seconds are not a field here" if len(words) == 6 else ""
        raise Fault(f"{shown(line)} has {len(words)} fields instead of five{extra}", _HINT)
    values = [_values(field, word.lower()) for field, word in zip(_FIELDS, words, strict=True)]
    days, months, weekdays = values[2], values[3], words[4]
    if weekdays in ("*", "?") and min(days) > max(_LONGEST_MONTH[month - 1] for month in months):
        raise Fault(f"{shown(line)} never fires: no such day in that month", "a day that the month has")
    return line


def _check_name(line: str, words: list[str]) -> None:
    if words[0] == "@every" and len(words) == 2:
        durations.seconds(words[1])
    elif len(words) != 1 or words[0] not in NAMES:
        raise Fault(f"{shown(line)} is no cron line", f"one of {', '.join(NAMES)}, @every 30m, or five fields")


def _values(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        parts = _ITEM.fullmatch(item)
        if parts is None or (item[0] == "?" and not field.star):
            raise Fault(f"{shown(item)} is no {field.name}", _HINT)
        first, last, step = parts.groups()
        if first in "*?":
            if last is not None:
                raise Fault(f"{shown(item)} is no {field.name}", _HINT)
            low, high = field.low, field.high
        else:
            low = field.number(first)
            high = field.number(last) if last else (field.high if step else low)
        if low > high:
            raise Fault(f"{field.name} {shown(item)} runs backwards", f"write {high}-{low}, or two ranges with a comma")
        if step is not None and int(step) < 1:
            raise Fault(f"{field.name} {shown(item)} steps by zero", "a step of one or more, such as */15")
        found.update(range(low, high + 1, int(step or 1)))
    return found
