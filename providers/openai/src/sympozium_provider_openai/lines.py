"""Bytes from a socket, cut into lines within bounds: what both server-sent events and newline-delimited JSON begin with."""

from __future__ import annotations

MAX_LINE = 1024 * 1024
"""Bytes. Some servers send the arguments of a tool call, a whole file perhaps, in one line."""
MAX_TOTAL = 64 * 1024 * 1024
"""Bytes of one answer: 128,000 tokens at 300 bytes of JSON each are 38 MB."""


class TooLong(ValueError):
    """A bound was passed; the message says which."""


class LineSplitter:
    """Feed it what arrives; it gives the lines that are complete, without their ends (LF or CRLF).

    Safe for UTF-8: no byte of a longer sequence is a line feed, so a character that arrives in two parts is whole again in its line.
    """

    def __init__(self, max_line: int = MAX_LINE, max_total: int = MAX_TOTAL) -> None:
        self._max_line = max_line
        self._max_total = max_total
        self._total = 0
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Lines completed by `data`. Raises TooLong."""
        self._total += len(data)
        if self._total > self._max_total:
            raise TooLong(f"an answer of more than {self._max_total} bytes")
        head, newline, tail = data.rpartition(b"\n")
        if not newline:
            self._rest += tail
            self._check(self._rest)
            return []
        lines = (bytes(self._rest) + head).split(b"\n")
        self._rest = bytearray(tail)
        self._check(self._rest)
        for line in lines:
            self._check(line)
        return [line[:-1] if line.endswith(b"\r") else line for line in lines]

    def rest(self) -> bytes:
        """What came after the last line end."""
        return bytes(self._rest)

    def _check(self, line: bytes | bytearray) -> None:
        if len(line) > self._max_line:
            raise TooLong(f"a line of more than {self._max_line} bytes")
