"""Serves `memory_search`, `memory_store` and `memory_list`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from sympozium_core.contracts.memory import MAX_CONTENT, MAX_NOTES, MAX_TAG, MAX_TAGS, Full, Note
from sympozium_core.sidecar import Outcome, Server, tool
from sympozium_core.sidecar.definition import BadArguments
from sympozium_skill_memory.backend import close, memory, others

SHOWN = 6000
"""Characters of one answer."""


@tool
def memory_search(
    query: Annotated[str, "Words to look for; a note is found by any of them, the best first."],
    top_k: Annotated[int, f"How many notes, at most {MAX_NOTES}."] = 5,
) -> str:
    """Find notes that earlier runs of this agent, or this one, have stored."""
    _whole("query", query)
    if not re.search(r"\w", query):
        raise BadArguments("the argument 'query' has no word in it")
    found = memory().search(query, _most("top_k", top_k))
    return _listed(found, f"no note has any of these words{_elsewhere()}")


@tool
def memory_store(
    content: Annotated[str, f"One fact in whole sentences, at most {MAX_CONTENT} characters; never a key, token or password."],
    tags: Annotated[list[str] | None, "One to three words by which it can be listed."] = None,
) -> Outcome:
    """Store a note that later runs of this agent can find."""
    text = content.strip()
    if not text or len(text) > MAX_CONTENT:
        raise BadArguments(f"the argument 'content' must have 1 to {MAX_CONTENT} characters, has {len(text)}")
    _whole("content", text)
    labels = _tags(tags)
    try:
        stored = memory().store(text, labels)
    except Full as full:
        more = "store less, or ask for a larger spec.memory.maxSizeKB on the instance"
        return Outcome(f"{full.message}: there is no room for this note; {more}", status="error")
    return Outcome(f"stored as note {stored.id}")


@tool
def memory_list(
    tags: Annotated[list[str] | None, "Only notes that have all of these."] = None,
    limit: Annotated[int, f"How many notes, at most {MAX_NOTES}."] = 20,
) -> str:
    """List notes, the newest first."""
    labels = _tags(tags)
    found = memory().newest(labels, _most("limit", limit))
    return _listed(found, "no note has these tags" if labels else f"there are no notes yet{_elsewhere()}")


def _elsewhere() -> str:
    """What whoever finds nothing should know."""
    kept = others()
    return (
        f" (this instance has had another memory, {' and '.join(kept)}, whose notes are kept and not looked at)" if kept else ""
    )


def _whole(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadArguments(f"the argument {name!r} has half of a character in it") from None


def _most(name: str, wanted: int) -> int:
    if not 1 <= wanted <= MAX_NOTES:
        raise BadArguments(f"the argument {name!r} must be 1 to {MAX_NOTES}, is {wanted}")
    return wanted


def _tags(tags: list[str] | None) -> list[str]:
    given = [tag.strip().lower() for tag in tags or []]
    for tag in given:
        _whole("tags", tag)
        if not tag or len(tag) > MAX_TAG or re.search(r"\s", tag):
            raise BadArguments(f"the tag {tag[:80]!r} must be one word of at most {MAX_TAG} characters")
    if len(given) > MAX_TAGS:
        raise BadArguments(f"there are {len(given)} tags; give at most {MAX_TAGS}")
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
    close()
