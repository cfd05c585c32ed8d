"""Whether something is JSON data of a sane size at all, before anything looks at its meaning."""

from __future__ import annotations

import math
from typing import Any

from sympozium_core.errors import Cause
from sympozium_core.resources.faults import shown
from sympozium_core.resources.paths import Path, written

MAX_DEPTH = 64
MAX_VALUES = 200_000
"""Values in one object, counted as if every YAML alias were written out."""
MAX_CAUSES = 50

_SCALARS = frozenset((str, int, bool, type(None)))


def problems(obj: Any) -> list[Cause]:
    """What is no JSON data: odd keys, dates that YAML made, not-a-number, lone surrogates, nesting without end."""
    causes: list[Cause] = []
    seen = 0
    level: list[tuple[Path, Any]] = [((), obj)]
    for _ in range(MAX_DEPTH):
        below: list[tuple[Path, Any]] = []
        for path, value in level:
            items = value.items() if type(value) is dict else enumerate(value)
            seen += len(value)
            if seen > MAX_VALUES:
                return [Cause(written(path), f"more than {MAX_VALUES} values", "make the object smaller")]
            for key, child in items:
                kind = type(child)
                plain_key = type(value) is list or (type(key) is str and key.isascii())
                if plain_key and kind in _SCALARS and (kind is not str or child.isascii()):
                    continue
                if kind is dict or kind is list:
                    below.append(((*path, key), child))
                    if plain_key:
                        continue
                if len(causes) < MAX_CAUSES:
                    causes.extend(_about(path, key, child, type(value) is dict))
        if not below:
            return causes
        level = below
    return [*causes, Cause(written(level[0][0]), f"nested deeper than {MAX_DEPTH} levels", "make the object flatter")]


def _about(path: Path, key: Any, child: Any, in_object: bool) -> list[Cause]:
    where = written((*path, key))
    if in_object and not isinstance(key, str):
        return [Cause(where, f"the key {shown(key)} is no string", f'put it in quotes: "{str(key)[:40]}"')]
    if in_object and not _encodable(key):
        return [Cause(written(path), "has a key that is no valid Unicode text")]
    if isinstance(child, str):
        return [] if _encodable(child) else [Cause(where, "is no valid Unicode text", "save the file as UTF-8")]
    if child is None or isinstance(child, bool | int) or type(child) in (dict, list):
        return []
    if isinstance(child, float):
        return [] if math.isfinite(child) else [Cause(where, f"is {child}", "a number")]
    if hasattr(child, "isoformat"):
        return [
            Cause(
                where,
                f"is {child.isoformat()[:40]}, which YAML reads as a date",
                f'put it in quotes: "{child.isoformat()[:40]}"',
            )
        ]
    return [
        Cause(
            where,
            f"is of type {type(child).__name__}, which JSON does not have",
            "text, a number, true, false, a list or an object",
        )
    ]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
