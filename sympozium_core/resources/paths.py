"""Where in an object a value stands, and how that is written for people: ``spec.skills[1].params``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

Path: TypeAlias = tuple[Any, ...]
"""Keys and indexes from the top of the object."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
MAX_KEY = 80


def written(path: Path) -> str:
    """As messages show it; keys that hold dots or anything odd stand in brackets."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int) and not isinstance(step, bool):
            parts.append(f"[{step}]")
        elif isinstance(step, str) and _PLAIN.fullmatch(step) and len(step) <= MAX_KEY:
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"[{str(step)[:MAX_KEY]!r}]")
    return "".join(parts)


def origin(path: Path, origins: Mapping[Path, Path]) -> Path:
    """The path as it was written, by the longest part of it that came from somewhere else."""
    for end in range(len(path), 0, -1):
        found = origins.get(path[:end])
        if found is not None:
            return found + path[end:]
    return path
