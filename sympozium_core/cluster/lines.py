"""Cuts a byte stream into lines without a limit of the transport's own, but with one of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sympozium_core.contracts.cluster import TooLarge

MAX_LINE = 16 * 1024 * 1024
"""Longest line in bytes: an object of 1.5 MiB can be six times longer when every character is escaped."""


async def split_lines(chunks: AsyncIterator[bytes], limit: int = MAX_LINE) -> AsyncIterator[bytes]:
    """Yields each line without its newline; a last line without newline is a cut one and is dropped. Raises TooLarge."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        head, *rest = chunk.split(b"\n")
        parts.append(head)
        size += len(head)
        if size > limit:
            raise TooLarge(f"a line of the stream is longer than {limit} bytes")
        if not rest:
            continue
        yield b"".join(parts)
        for line in rest[:-1]:
            yield line
        parts, size = [rest[-1]], len(rest[-1])
