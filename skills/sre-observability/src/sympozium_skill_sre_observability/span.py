"""Times as people write them: ``15m``, ``2h``, ``3d``."""

from __future__ import annotations

import re
import time

from sympozium_core.sidecar.definition import BadArguments

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST = 31 * 86_400


def seconds(text: str, argument: str) -> int:
    """Raises BadArguments."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    value = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < value <= LONGEST:
        raise BadArguments(f"the argument {argument!r} is {text[:40]!r}; give a time such as 15m, 2h or 3d, at most 31d")
    return value


def moment(ago: str) -> float:
    """Seconds of the epoch; now for an empty text."""
    return time.time() - (seconds(ago, "ago") if ago else 0)
