"""Text that somebody else wrote, made safe for a terminal. Standard library only."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` without control characters: what an agent wrote must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def printable_lines(text: str) -> str:
    """The same, with its lines and tabs kept."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def json_text(text: str) -> str:
    """JSON that stays the same data, with every character that could steer a terminal escaped (`json.dumps` leaves those beyond ASCII)."""
    if text.isascii():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
