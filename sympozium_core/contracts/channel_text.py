"""Cuts a text that is longer than a vendor takes: at the end of a paragraph, a line or a word, with code blocks whole in each piece."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Unit = Literal["characters", "utf16", "bytes"]
"""What a vendor counts: Unicode characters, UTF-16 units (an emoji is two), or bytes of UTF-8."""

SHORTEST = 64
"""The least that a vendor may take for a text to be cut for it."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_JOINERS = "\u200d\ufe0f\ufe0e"
_TONES = range(0x1F3FB, 0x1F400)


def measure(text: str, unit: Unit) -> int:
    """The length as the vendor counts it. A lone surrogate counts like a character of its size."""
    if unit == "characters":
        return len(text)
    if unit == "utf16":
        return len(text) + sum(character > "\uffff" for character in text)
    return len(text.encode("utf-8", "surrogatepass"))


def split(text: str, longest: int, unit: Unit = "characters") -> list[str]:
    """Pieces of at most `longest` units that say the same one after the other; none for a text of nothing but white space.

    Outside of code blocks line ends and blanks at a border are left out; a code block that is cut is closed, and opened again in the next piece.
    """
    if longest < SHORTEST:
        raise ValueError(f"longest: {longest} is too short to cut texts for; at least {SHORTEST}")
    rest, found = text.strip("\n").rstrip(), []
    while rest:
        end = _end(rest, longest, unit)
        piece, rest = rest[:end].rstrip(), rest[end:]
        fence = _open_fence(piece) if rest else ""
        if fence:
            mark = _mark(fence)
            piece = f"{piece}\n{mark}"
            rest = f"{fence if len(fence) <= longest // 4 else mark}\n{rest.removeprefix(chr(10))}"
            if rest.strip() in (f"{fence}\n{mark}", f"{mark}\n{mark}"):
                rest = ""
        else:
            rest = rest.lstrip("\n") if rest[:1] == "\n" else rest.removeprefix(" ")
        if piece:
            found.append(piece)
    return found


def _end(rest: str, longest: int, unit: Unit) -> int:
    """How much of a text makes the next piece; at least one character more than what opens a code block again."""
    if measure(rest, unit) <= longest:
        return len(rest)
    most = _fitting(rest, longest, unit)
    end = _border(rest, most)
    if fence := _open_fence(rest[:end]):
        closing = 1 + measure(_mark(fence), unit)
        end = _border(rest, _fitting(rest, longest - closing, unit))
        # A block that has only just been opened goes whole into the next piece.
        begun = rest.rfind("\n", 0, end)
        if begun > 0 and _FENCE.fullmatch(rest[begun + 1 : end]) and _open_fence(rest[:end]) and not _open_fence(rest[:begun]):
            end = begun
    return end


def _fitting(text: str, longest: int, unit: Unit) -> int:
    """Characters from the beginning that are at most `longest` units."""
    low, high = 1, min(len(text), longest)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle], unit) <= longest else (low, middle - 1)
    return low


def _border(text: str, most: int) -> int:
    """The best place to cut at or before `most`; a better kind of border is not worth a piece of less than half."""
    if most >= len(text):
        return len(text)
    opening = _FENCE.match(text)
    least = max(most // 2, opening.end() + 1 if opening else 1)
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, least, most + len(mark))
        if at > 0 and (mark != "\n\n" or not _open_fence(text[:at])):
            return at
    at = most
    while at > least and _belong_together(text[at - 1], text[at]):
        at -= 1
    return at if at > least else most


def _belong_together(before: str, after: str) -> bool:
    return before == "\u200d" or after in _JOINERS or ord(after) in _TONES or unicodedata.combining(after) > 0


def _open_fence(text: str) -> str:
    """The line that opens the code block in which a text ends; empty outside of any."""
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line)
        if found is None:
            continue
        mark, info = found.groups()
        if not fence:
            fence = "" if mark[0] == "`" and "`" in info else line
        elif mark.startswith(_mark(fence)) and not info.strip():
            fence = ""
    return fence


def _mark(fence: str) -> str:
    found = _FENCE.match(fence)
    return found.group(1) if found else ""
