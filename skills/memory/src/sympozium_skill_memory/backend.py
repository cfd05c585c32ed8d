"""The memory backend that the instance has, opened when it is first asked. Each backend has a folder of its own in the volume."""

from __future__ import annotations

import importlib
import os
from functools import lru_cache
from pathlib import Path

from sympozium_core.contracts.memory import Memory, Place, Unavailable

PLACE, PLACE_VARIABLE = "/memory", "SYMPOZIUM_MEMORY"
SIZE, SIZE_VARIABLE = 256, "SYMPOZIUM_MEMORY_KB"
BACKEND, BACKEND_VARIABLE = "sqlite=sympozium_memory_sqlite.notes:SqliteMemory", "SYMPOZIUM_MEMORY_BACKEND"
FOLDER = "backends"
FIRST_NAME, FIRST_FILE = "sqlite", "memory.db"
"""The backend of the time when there was one, and its file, which is in the volume itself where it was made then."""


def memory() -> Memory:
    """Open. Raises Unavailable, each time anew as long as it cannot be opened."""
    return _opened(*_asked())


def close() -> None:
    if _opened.cache_info().currsize:
        memory().close()


def others() -> list[str]:
    """Names of backends that have kept something for this instance, but for the one that it has."""
    name, _, place, _ = _asked()
    folder = place / FOLDER
    found = {each.name for each in folder.iterdir()} if folder.is_dir() else set()
    if (place / FIRST_FILE).is_file():
        found.add(FIRST_NAME)
    return sorted(found - {name})


def _asked() -> tuple[str, str, Path, int]:
    name, _, value = (os.environ.get(BACKEND_VARIABLE) or BACKEND).partition("=")
    size = int(os.environ.get(SIZE_VARIABLE) or SIZE) * 1024
    return name, value, Path(os.environ.get(PLACE_VARIABLE) or PLACE), size


@lru_cache(1)
def _opened(name: str, value: str, place: Path, size: int) -> Memory:
    made = _made(name, value)
    made.open(Place(_folder(name, place), size))
    return made


def _folder(name: str, place: Path) -> Path:
    if name == FIRST_NAME and (place / FIRST_FILE).is_file():
        return place
    try:
        (place / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the volume of the memory cannot be used: {error}") from error
    return place / FOLDER / name


def _made(name: str, value: str) -> Memory:
    module, _, attribute = value.partition(":")
    try:
        made = getattr(importlib.import_module(module), attribute)()
    except Exception as error:
        raise Unavailable(f"the memory backend {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(made, Memory):
        raise Unavailable(f"the memory backend {name!r} is none: {value} is no subclass of {Memory.__module__}.Memory")
    return made
