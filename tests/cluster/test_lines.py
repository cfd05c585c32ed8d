from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sympozium_core.cluster.lines import split_lines
from sympozium_core.contracts.cluster import TooLarge


async def chunked(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\x00", b"\n")), max_size=8))
async def test_lines_do_not_depend_on_how_they_were_cut(chunks: list[bytes]) -> None:
    expected = b"".join(chunks).split(b"\n")[:-1]
    assert [line async for line in split_lines(chunked(chunks))] == expected


async def test_a_line_of_megabytes() -> None:
    line = b"x" * 3_000_000
    chunks = [line[start : start + 65536] for start in range(0, len(line), 65536)] + [b"\nnext\n"]
    assert [found async for found in split_lines(chunked(chunks))] == [line, b"next"]


async def test_a_line_has_an_end() -> None:
    with pytest.raises(TooLarge):
        _ = [line async for line in split_lines(chunked([b"x" * 60, b"x" * 60]), limit=100)]
