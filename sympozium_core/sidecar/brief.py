"""Answers that fit into what a model reads of one result: whole lines, and a word about what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

ROOM = 7_000
"""Characters. A model reads 8000 bytes of a result (`Limits.tool_result_bytes`), unless its run says otherwise."""
LONGEST = 600
"""Characters of one line."""


def brief(lines: Iterable[str], *, narrow: str, keep: Literal["head", "tail"] = "head", room: int = ROOM) -> str:
    """As many of the lines as there is room for, from their head or their tail. `narrow` says how to see what was left out."""
    given = [_shorter(line.rstrip()) for line in lines]
    if sum(len(line) + 1 for line in given) <= room:
        return "\n".join(given)
    kept: list[str] = []
    for line in reversed(given) if keep == "tail" else given:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    word = f"[{len(given) - len(kept)} of {len(given)} lines are left out: {narrow}]"
    return "\n".join([word, *reversed(kept)] if keep == "tail" else [*kept, word])


def _shorter(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} [… {len(line) - LONGEST} more characters]"
