"""Names of time zones from the IANA database, such as ``Europe/Paris``."""

from __future__ import annotations

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from sympozium_core.resources.faults import Fault, shown

PATTERN = r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"
MAX_LENGTH = 64
_NAME = re.compile(PATTERN)


def check(name: str) -> str:
    """The name as given. Raises Fault with the nearest names."""
    if len(name) <= MAX_LENGTH and _NAME.fullmatch(name) and _exists(name):
        return name
    raise Fault(f"{shown(name)} is no time zone", _suggestion(name[:MAX_LENGTH]))


@lru_cache(maxsize=256)
def _exists(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: the name of a folder of the database
        return False
    return True


def _suggestion(name: str) -> str:
    from difflib import get_close_matches
    from zoneinfo import available_timezones

    known = {zone.lower(): zone for zone in available_timezones()}
    near = get_close_matches(name.strip().replace(" ", "_").lower(), known, 1, 0.6)
    by_city = [zone for low, zone in known.items() if low.rsplit("/", 1)[-1] == name.strip().replace(" ", "_").lower()]
    found = sorted(by_city)[:1] or [known[word] for word in near]
    return f"did you mean {found[0]}?" if found else "a name of the IANA database, such as Europe/Paris or UTC"
