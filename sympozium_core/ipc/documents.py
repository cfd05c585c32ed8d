"""JSON objects from a hostile writer, and as this project writes them.

Bounds are those of the parsed form: a document of 8 MiB may be a thousand levels deep, or take twenty times its size in memory.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sympozium_core.errors import Permanent

MAX_DEPTH = 64
"""Containers within containers in one JSON document."""
MAX_CONTAINERS = 100_000
"""Objects and arrays in one JSON document: `[[],[],…]` takes twenty times its size in memory."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


class FileRefused(Permanent):
    """A file that is there and cannot be trusted. The message names the file and what is wrong with it, never its content."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path[:256]!r} {what}", hint="write a regular file under another name and rename it to this one")
        self.path = path
        self.what = what


def encode(value: Any) -> bytes:
    """JSON as this project writes it: UTF-8, no spaces, fields in the order given; a lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def parse_object(data: bytes, path: str) -> dict[str, Any]:
    """The JSON object in `data`; raises FileRefused, with `path` as its name, for anything else."""
    openings = data.count(b"{") + data.count(b"[")
    if openings > MAX_CONTAINERS:
        bare = _STRING.sub(b"", data)
        if bare.count(b"{") + bare.count(b"[") > MAX_CONTAINERS:
            raise FileRefused(path, f"has more than {MAX_CONTAINERS} objects and lists")
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise FileRefused(path, "is not UTF-8") from error
    except RecursionError as error:
        raise FileRefused(path, f"is nested deeper than {MAX_DEPTH}") from error
    except ValueError as error:
        raise FileRefused(path, "is not JSON") from error
    if not isinstance(value, dict):
        raise FileRefused(path, "is not a JSON object")
    _check_depth(value, path)
    if b"\\ud" in data or b"\\uD" in data:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise FileRefused(path, "has half of a surrogate pair, which is no text") from error
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond the range of numbers")
    return value


def _check_depth(value: dict[str, Any], path: str) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return
    raise FileRefused(path, f"is nested deeper than {MAX_DEPTH}")
