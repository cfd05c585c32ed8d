"""How a request differs from the recorded one, short enough for a status and exact enough to see why."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sympozium_provider_replay.cassette import Entry
from sympozium_provider_replay.conversation import Asked, Index, conversation_after, shared_messages

MAX_DIFFERENCE = 1400
"""Characters, so that the whole message stays below the 2 KiB of an error."""
_WINDOW = 600
_BEFORE = 120


def describe(asked: Asked, entries: Sequence[Entry], number: int, index: Index) -> str:
    """What differs between the request and entry `number`, the nearest one."""
    entry = entries[number]
    shared = shared_messages(index, entry.messages, asked.messages)
    after = conversation_after(entry)
    if number == len(entries) - 1 and shared_messages(index, after, asked.messages) == len(after):
        return f"the run asks for more than is recorded: all {len(entries)} answers were played\n" + _cut(
            _messages((), asked.messages[len(after) :], len(after), index)
        )
    parts = []
    if shared < max(len(entry.messages), len(asked.messages)):
        parts.append(_messages(entry.messages[shared:], asked.messages[shared:], shared, index))
    if dict(entry.tools) != dict(asked.tools):
        parts.append(_tools(entry.tools, asked.tools))
    if dict(entry.parameters) != dict(asked.parameters):
        parts.append(_values("parameters", dict(entry.parameters), dict(asked.parameters)))
    return f"request {number + 1} of {len(entries)} differs\n" + _cut("\n".join(parts))


def _messages(recorded: Sequence[Mapping[str, Any]], asked: Sequence[Mapping[str, Any]], start: int, index: Index) -> str:
    """The first message that differs, and how many follow."""
    if not recorded or not asked:
        more, side = (asked, "this run") if asked else (recorded, "the cassette")
        shown = _values(
            f"messages[{start}]", index.masked(recorded[0]) if recorded else None, index.masked(asked[0]) if asked else None
        )
        return f"{shown}\n({len(more)} more of them in {side})" if len(more) > 1 else shown
    one, other = index.masked(recorded[0]), index.masked(asked[0])
    fields = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return "\n".join(_values(f"messages[{start}].{name}", one.get(name), other.get(name)) for name in fields)


def _tools(recorded: Mapping[str, str], asked: Mapping[str, str]) -> str:
    lines = [f"- tools.{name}" for name in recorded if name not in asked]
    lines += [f"+ tools.{name}" for name in asked if name not in recorded]
    lines += [
        f"! tools.{name}: another description or other parameters ({recorded[name]} recorded, now {asked[name]})"
        for name in recorded
        if name in asked and recorded[name] != asked[name]
    ]
    return "\n".join(lines)


def _values(path: str, recorded: Any, asked: Any) -> str:
    one, other = _text(recorded), _text(asked)
    start = next((n for n, (a, b) in enumerate(zip_longest(one, other)) if a != b), 0)
    start = max(0, start - _BEFORE)
    before, after = one[start : start + _WINDOW].splitlines(), other[start : start + _WINDOW].splitlines()
    lines = difflib.unified_diff(before, after, f"{path} (cassette)", f"{path} (this run)", lineterm="", n=1)
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DIFFERENCE else text[:MAX_DIFFERENCE] + "\n… (cut)"
