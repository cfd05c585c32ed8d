"""Serves `memory_search`, `memory_store` and `memory_list`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from sympozium_core.sidecar import Outcome, Server, tool
from sympozium_core.sidecar.definition import BadArguments
from sympozium_skill_memory.store import Full, Note, Notes

PLACE, PLACE_VARIABLE = "/memory", "SYMPOZIUM_MEMORY"
SIZE_VARIABLE, SIZE = "SYMPOZIUM_MEMORY_KB", 256
LONGEST = 4000
"""Characters of one note."""
MOST_TAGS, LONGEST_TAG = 10, 40
MOST = 50
"""Notes in one answer."""
SHOWN = 6000
"""Characters of one answer."""


def notes() -> Notes:
    folder = Path(os.environ.get(PLACE_VARIABLE) or PLACE)
    return Notes(folder, int(os.environ.get(SIZE_VARIABLE) or SIZE) * 1024)


@tool
def memory_search(
    query: Annotated[str, "Words to look for; a note is found by any of them, the best first."],
    top_k: Annotated[int, f"How many notes, at most {MOST}."] = 5,
) -> str:
    """Find notes that earlier runs of this agent, or this one, have stored."""
    if not re.search(r"\w", query):
        raise BadArguments("the argument 'query' has no word in it")
    return _listed(notes().search(query, _most("top_k", top_k)), "no note has any of these words")


@tool
def memory_store(
    content: Annotated[str, f"One fact in whole sentences, at most {LONGEST} characters; never a key, token or password."],
    tags: Annotated[list[str] | None, "One to three words by which it can be listed."] = None,
) -> Outcome:
    """Store a note that later runs of this agent can find."""
    text = content.strip()
    if not text or len(text) > LONGEST:
        raise BadArguments(f"the argument 'content' must have 1 to {LONGEST} characters, has {len(text)}")
    labels = _tags(tags)
    try:
        stored = notes().store(text, labels)
    except Full as full:
        more = "store less, or ask for a larger spec.memory.maxSizeKB on the instance"
        return Outcome(f"{full}: there is no room for this note; {more}", status="error")
    return Outcome(f"stored as note {stored.id}")


@tool
def memory_list(
    tags: Annotated[list[str] | None, "Only notes that have all of these."] = None,
    limit: Annotated[int, f"How many notes, at most {MOST}."] = 20,
) -> str:
    """List notes, the newest first."""
    labels = _tags(tags)
    found = notes().newest(labels, _most("limit", limit))
    return _listed(found, "no note has these tags" if labels else "there are no notes yet")


def _most(name: str, wanted: int) -> int:
    if not 1 <= wanted <= MOST:
        raise BadArguments(f"the argument {name!r} must be 1 to {MOST}, is {wanted}")
    return wanted


def _tags(tags: list[str] | None) -> list[str]:
    given = [tag.strip().lower() for tag in tags or []]
    for tag in given:
        if not tag or len(tag) > LONGEST_TAG or re.search(r"\s", tag):
            raise BadArguments(f"the tag {tag[:80]!r} must be one word of at most {LONGEST_TAG} characters")
    if len(given) > MOST_TAGS:
        raise BadArguments(f"there are {len(given)} tags; give at most {MOST_TAGS}")
    return given


def _listed(found: Sequence[Note], nothing: str) -> str:
    """One note a paragraph; what does not fit is counted."""
    shown: list[str] = []
    left = SHOWN
    for note in found:
        told = f"[{note.id}] {note.at[:10]}{''.join(f' #{tag}' for tag in note.tags)}\n{note.content}"
        if shown and len(told) > left:
            break
        shown.append(told)
        left -= len(told)
    more = (
        f"\n\n({len(found) - len(shown)} more were found; ask for fewer, or with other words)"
        if len(found) > len(shown)
        else ""
    )
    return ("\n\n".join(shown) + more) if shown else nothing


def serve() -> None:
    Server("memory", [memory_store, memory_search, memory_list]).serve()
