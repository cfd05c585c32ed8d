"""Lengths of time as Go writes them (https://pkg.go.dev/time#ParseDuration): ``90s``, ``10m``, ``1h30m``."""

from __future__ import annotations

import re

from sympozium_core.resources.faults import Fault, shown

PATTERN = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$"
MAX_LENGTH = 64
LONGEST = (2**63 - 1) / 1e9
"""Seconds; what fits into Go's int64 of nanoseconds."""

_WHOLE = re.compile(PATTERN)
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_HINT = "a number with a unit, such as 90s, 10m or 1h30m"


def seconds(text: str) -> float:
    """How long it is, in seconds; always more than zero. Raises Fault."""
    if len(text) > MAX_LENGTH or not _WHOLE.fullmatch(text) or text.endswith("\n"):
        raise Fault(*_complaint(text))
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if total <= 0:
        raise Fault(f"{text} is no time at all", "more than zero, such as 10m")
    if total > LONGEST:
        raise Fault(f"{text} is too long", "at most 292 years; a run has minutes, such as 10m")
    return total


def _complaint(text: str) -> tuple[str, str]:
    bare = text.strip()
    if bare.startswith("-") and _WHOLE.fullmatch(bare[1:]):
        return f"{shown(text)} is negative", f"more than zero, such as {bare[1:]}"
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", bare):
        return f"{shown(text)} has no unit", f"{bare}s for seconds, {bare}m for minutes"
    days = re.fullmatch(r"([0-9]{1,4})d", bare)
    if days:
        return f"{shown(text)} counts days", f"write hours: {int(days[1]) * 24}h"
    return f"{shown(text)} is no duration", _HINT
