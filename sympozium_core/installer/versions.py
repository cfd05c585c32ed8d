"""Which of two versions of Sympozium is the newer, by the rules of PEP 440 as far as a release uses them."""

from __future__ import annotations

import re

from sympozium_core.errors import Permanent

_VERSION = re.compile(r"(\d+(?:\.\d+)*)(?:(a|b|rc|\.dev)(\d+))?(?:\+[a-z0-9.]+)?")
_BEFORE = {".dev": 0, "a": 1, "b": 2, "rc": 3}
_RELEASE = 4


def order(version: str) -> tuple[tuple[int, ...], int, int]:
    """Sorts. Raises Permanent for what is no version."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise Permanent(f"{version[:40]!r} is no version of Sympozium", hint="such as 0.2.0 or 0.2.0rc1")
    numbers, stage, count = found.groups()
    parts = [int(number) for number in numbers.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts), _BEFORE.get(stage, _RELEASE), int(count or 0)


def is_older(version: str, than: str) -> bool:
    return order(version) < order(than)
