"""Takes the fields of a JSON object out one by one, each with its shape and bounds, and names file and field of what does not fit.

Fields that are not asked for are ignored, so that a later writer may add some within version 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sympozium_core.errors import Permanent

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
"""Ids of calls: safe as file names, and nothing in them hides a file."""
TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")
SERVER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
"""Servers are named like DNS labels, because containers are."""
ARTIFACT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z")


class ProtocolError(Permanent):
    """A file whose content is not of the protocol. Carries the file and the field; the message never holds the value of a text."""

    def __init__(self, file: str, field: str, message: str) -> None:
        where = f"{file}: {field}" if field else file
        super().__init__(f"{where}: {message}", hint="docs/ipc.md has the fields and an example")
        self.file = file
        self.field = field


class Fields:
    """One JSON object of a file; `at` is the path of fields that leads to it."""

    def __init__(self, data: Any, file: str, at: str = "") -> None:
        self.file = file
        self.at = at
        if not isinstance(data, Mapping):
            raise ProtocolError(file, at, f"must be an object, is {_kind(data)}")
        self.data = data

    def name(self, key: str) -> str:
        return f"{self.at}.{key}" if self.at else key

    def fail(self, key: str, message: str) -> ProtocolError:
        return ProtocolError(self.file, self.name(key), message)

    def has(self, key: str) -> bool:
        """Whether the field is there; null counts as absent."""
        return self.data.get(key) is not None

    def _get(self, key: str, wanted: str) -> Any:
        value = self.data.get(key)
        if value is None:
            raise self.fail(key, f"is missing, {wanted} is needed")
        return value

    def text(self, key: str, limit: int, default: str | None = None, *, least: int = 0) -> str:
        if default is not None and not self.has(key):
            return default
        value = self._get(key, "a text")
        if not isinstance(value, str):
            raise self.fail(key, f"must be a text, is {_kind(value)}")
        if not least <= len(value) <= limit:
            raise self.fail(key, f"has {len(value)} characters, {least} to {limit} are allowed")
        return value

    def match(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self.text(key, 256)
        if not pattern.match(value):
            raise self.fail(key, f"{value!r} does not match {_shown(pattern)}")
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, 64, default)
        if value not in choices:
            raise self.fail(key, f"{value!r} is none of {', '.join(choices)}")
        return value

    def integer(self, key: str, least: int, most: int, default: int | None = None) -> int:
        if default is not None and not self.has(key):
            return default
        value = self._get(key, "a whole number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, f"must be a whole number, is {_kind(value)}")
        if self._range(key, value, least, most) != int(value):
            raise self.fail(key, f"must be a whole number, is {value}")
        return int(value)

    def number(self, key: str, least: float, most: float, default: float | None = None) -> float:
        if default is not None and not self.has(key):
            return default
        value = self._get(key, "a number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, f"must be a number, is {_kind(value)}")
        return float(self._range(key, value, least, most))

    def _range(self, key: str, value: float, least: float, most: float) -> float:
        if not least <= value <= most:
            raise self.fail(key, f"{value} is not between {least} and {most}")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, is {_kind(value)}")
        return value

    def mapping(self, key: str, *, required: bool = False) -> dict[str, Any]:
        value = self._get(key, "an object") if required else self.data.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail(key, f"must be an object, is {_kind(value)}")
        return value

    def inner(self, key: str) -> Fields:
        return Fields(self._get(key, "an object"), self.file, self.name(key))

    def items(self, key: str, limit: int, *, required: bool = False) -> list[Any]:
        value = self._get(key, "a list") if required else self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(key, f"must be a list, is {_kind(value)}")
        if len(value) > limit:
            raise self.fail(key, f"has {len(value)} items, {limit} are allowed")
        return value

    def objects(self, key: str, limit: int, *, required: bool = False) -> list[Fields]:
        items = self.items(key, limit, required=required)
        return [Fields(item, self.file, f"{self.name(key)}[{index}]") for index, item in enumerate(items)]

    def texts(self, key: str, limit: int, length: int, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
        items = self.items(key, limit)
        for index, item in enumerate(items):
            if not isinstance(item, str) or len(item) > length:
                raise self.fail(f"{key}[{index}]", f"must be a text of at most {length} characters, is {_kind(item)}")
            if pattern is not None and not pattern.match(item):
                raise self.fail(f"{key}[{index}]", f"{item!r} does not match {_shown(pattern)}")
        return tuple(items)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def _shown(pattern: re.Pattern[str]) -> str:
    return "^" + pattern.pattern.removesuffix(r"\Z") + "$"
