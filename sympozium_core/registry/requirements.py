"""What an installed distribution needs, told from its metadata without importing it.

Format: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

CORE = "sympozium-core"
_NEED = re.compile(r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[(?P<extras>[^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"](?P<extra>[^'"]+)['"]""")


def normal(name: str) -> str:
    """As PEP 503 says."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(found: Distribution, extras: Iterable[str] = ()) -> Iterator[tuple[str, frozenset[str]]]:
    """Normal names of what it needs beside the core, each with the extras that it wants of it; for itself and these extras of it."""
    for line in found.requires or []:
        specifier, _, marker = line.partition(";")
        extra, need = _EXTRA.search(marker), _NEED.match(specifier)
        if need is None or (extra is not None and extra["extra"] not in extras):
            continue
        name = normal(need["name"])
        if name != CORE:
            yield name, frozenset(filter(None, (word.strip() for word in (need["extras"] or "").split(","))))


def closure(names: Iterable[str]) -> dict[str, str]:
    """Versions of these distributions and of all that they need, by normal name, as they are installed here; the core and what only it needs are
    not among them. What is needed and not installed is left out: its marker is of another machine than this one."""
    found: dict[str, str] = {}
    waiting = [(normal(name), frozenset[str]()) for name in names]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            each = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = each.version
        more = set(needs(each, extras)) - seen
        seen |= more
        waiting += more
    return dict(sorted(found.items()))
