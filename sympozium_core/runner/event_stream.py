"""Server-sent events, as OpenAI-compatible endpoints send them (WHATWG HTML, 9.2), with bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAX_EVENT = 8 * 1024 * 1024


class NotEvents(Exception):
    """The body is not a stream of events within the bounds."""


def events(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of each event, in order; comments and other fields are skipped. Lines may end in any of the three ways."""
    data: list[bytes] = []
    for line in _lines(pieces):
        if not line:
            if data:
                yield b"\n".join(data)
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
    if data:
        # Not in the standard, but endpoints exist that leave out the last empty line.
        yield b"\n".join(data)


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    held = 0
    carriage = b""
    for piece in pieces:
        piece = carriage + piece
        # A carriage return at the end may be the first half of a line's end.
        carriage = b"\r" if piece.endswith(b"\r") else b""
        piece = piece[: len(piece) - len(carriage)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in piece:
            rest.append(piece)
            held += len(piece)
            if held > MAX_EVENT:
                raise NotEvents(f"an event of the model endpoint has more than {MAX_EVENT} bytes")
            continue
        first, *middle = piece.split(b"\n")
        yield b"".join([*rest, first])
        yield from middle[:-1]
        rest, held = [middle[-1]], len(middle[-1])
    if held:
        yield b"".join(rest)
