"""Writes one object, as it is with each choice, as one template: what differs stands between ``if`` and ``end``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from sympozium_core.installation.chart.values import CHOICES, EACH, NUMBERS, WORDS, Chosen

Versions = Mapping[Chosen, Any]
"""A value with each of some choices; `ABSENT` where there is none."""
Write = Callable[[Versions], list[str]]
Differs = Callable[[Any], object]
"""What of a value a choice is asked about."""


class _Absent:
    """Unlike None, which is a value."""


ABSENT = _Absent()


class Raw(str):
    """Text that is a template already."""


_PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9_./:-]*[A-Za-z0-9/])?")
_NOT_PLAIN = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_WORD = re.compile("|".join(map(re.escape, sorted(WORDS, key=len, reverse=True))))


def document(versions: Versions) -> list[str]:
    """The lines of one object, absent with some choices."""
    return _with_choice(_narrowed(versions), lambda present: ["---", *_mapping(present, "")], _is_there)


def _narrowed(versions: Versions) -> Versions:
    """Without choices that change nothing: most objects are always the same, and every choice more doubles the versions."""
    for number in range(len(CHOICES)):
        if not _depends(versions, number, _itself):
            versions = _where(versions, number, next(iter(versions))[number])
    return versions


def _with_choice(versions: Versions, write: Write, differs: Differs) -> list[str]:
    """Asks the choice by which it `differs`, and writes what holds with each answer."""
    number = next((n for n in range(len(CHOICES)) if _depends(versions, n, differs)), None)
    if number is None:
        return [] if next(iter(versions.values())) is ABSENT else write(versions)
    yes = _with_choice(_where(versions, number, True), write, differs)
    no = _with_choice(_where(versions, number, False), write, differs)
    if not yes:
        return [f"{{{{- if {CHOICES[number].opposite} }}}}", *no, "{{- end }}"]
    middle = ["{{- else }}", *no] if no else []
    return [f"{{{{- if {CHOICES[number].condition} }}}}", *yes, *middle, "{{- end }}"]


def _depends(versions: Versions, number: int, differs: Differs) -> bool:
    for chosen, value in versions.items():
        other = (*chosen[:number], not chosen[number], *chosen[number + 1 :])
        if other in versions and differs(value) != differs(versions[other]):
            return True
    return False


def _where(versions: Versions, number: int, answer: bool) -> Versions:
    return {chosen: value for chosen, value in versions.items() if chosen[number] is answer}


def _is_there(value: Any) -> Any:
    return value is not ABSENT


def _itself(value: Any) -> Any:
    return ("absent",) if value is ABSENT else json.dumps(value, sort_keys=True)


def _all(versions: Versions, kind: type) -> bool:
    return all(isinstance(value, kind) for value in versions.values())


def _mapping(versions: Versions, indent: str) -> list[str]:
    keys = dict.fromkeys(key for value in versions.values() for key in value)
    lines: list[str] = []
    for key in keys:
        found = {chosen: value.get(key, ABSENT) for chosen, value in versions.items()}
        lines += _with_choice(found, partial(_entry, key, indent), _is_there)
    return lines


def _entry(key: str, indent: str, versions: Versions) -> list[str]:
    """A key and its value, which is there."""
    first = next(iter(versions.values()))
    head = f"{indent}{_scalar(key)}:"
    if _all(versions, dict) and all(versions.values()):
        return [head, *_mapping(versions, f"{indent}  ")]
    if _all(versions, list) and all(versions.values()):
        return [head, *_list(versions, indent)]
    if len({_itself(value) for value in versions.values()}) > 1:
        return _with_choice(versions, partial(_entry, key, indent), _itself)
    if isinstance(first, str) and "\n" in first:
        block = "|" if first.endswith("\n") else "|-"
        return [f"{head} {block}", *(f"{indent}  {line}".rstrip() for line in _filled(first).splitlines())]
    return [f"{head} {_scalar(first)}"]


def _list(versions: Versions, indent: str) -> list[str]:
    """Items that have a name are the same with each choice, whatever else is in them; others are what they say."""
    lines: list[str] = []
    for slot in _slots(versions.values()):
        found = {chosen: _slot(value, slot) for chosen, value in versions.items()}
        lines += _with_choice(found, partial(_item, indent), _is_there)
    return lines


def _slots(lists: Iterable[list[Any]]) -> list[str]:
    """Every item once, after the one that it stands behind."""
    found: list[str] = []
    for items in lists:
        place = 0
        for slot in map(_identity, items):
            if slot in found:
                place = found.index(slot) + 1
            else:
                found.insert(place, slot)
                place += 1
    return found


def _identity(item: Any) -> str:
    if isinstance(item, dict):
        if "metadata" in item:
            return f"claim={item['metadata']['name']}"
        for key in ("mountPath", "name", "key"):
            if isinstance(item.get(key), str):
                return f"{key}={item[key]}"
    return json.dumps(item, sort_keys=True)


def _slot(items: list[Any], slot: str) -> Any:
    return next((item for item in items if _identity(item) == slot), ABSENT)


def _item(indent: str, versions: Versions) -> list[str]:
    first = next(iter(versions.values()))
    if isinstance(first, dict) and first:
        inner = _mapping(versions, f"{indent}  ")
        if inner[0].startswith("{{"):  # a directive may not stand between the dash and its item
            raise ValueError(f"the first key of an item depends on a choice: {first}")
        lines = [f"{indent}- {inner[0].lstrip()}", *inner[1:]]
    elif isinstance(first, list):
        raise ValueError(f"a list of lists: {first}")
    else:
        lines = [f"{indent}- {_scalar(first)}"]
    for mark, values in EACH.items():
        if _holds(first, mark):
            each = "{{ . | quote }}" if isinstance(mark, str) else "{{ . }}"
            lines = [line.replace(str(mark), each) for line in lines]
            return [f"{{{{- range {values} }}}}", *lines, "{{- end }}"]
    return lines


def _holds(value: Any, mark: object) -> bool:
    if isinstance(value, dict):
        return any(_holds(each, mark) for each in value.values())
    return type(value) is type(mark) and value == mark


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        for number, expression in NUMBERS.items():
            if value == str(number):
                return f'"{{{{ {expression} }}}}"'
        filled = _filled(value)
        if filled != value or isinstance(value, Raw):
            return f'"{filled}"'
        plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not isinstance(value, bool) and value in NUMBERS:
        return f"{{{{ {NUMBERS[value]} }}}}"
    return json.dumps(value)


def _filled(text: str) -> str:
    """With expressions in place of marks."""
    if isinstance(text, Raw):
        return str(text)
    if "{{" in text:
        raise ValueError(f"Helm would read this as a template: {text[:100]}")
    return _WORD.sub(lambda found: f"{{{{ {WORDS[found.group()]} }}}}", text)
