"""Cutting texts for vendors: nothing is lost, nothing is too long, and code blocks stay code blocks."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sympozium_core.contracts.channel_text import SHORTEST, Unit, measure, split

FAMILY = "👨‍👩‍👧‍👦"
WORDS = st.text(alphabet="abcé世🙂*_", min_size=1, max_size=30)
PROSE = st.lists(st.lists(WORDS, max_size=40).map(" ".join), max_size=8).map("\n".join)
CODE = st.tuples(st.sampled_from(["```", "````", "~~~"]), st.sampled_from(["", "python", "sh"]), PROSE).map(
    lambda made: f"{made[0]}{made[1]}\n{made[2]}\n{made[0]}"
)
TEXTS = st.lists(st.one_of(PROSE, CODE), max_size=6).map("\n\n".join)
UNITS = st.sampled_from(["characters", "utf16", "bytes"])


def test_a_text_that_fits_is_left_alone() -> None:
    text = "# Title\n\n- one\n- two\n\n```sh\nls\n```"
    assert split(text, 200) == [text]
    assert split(" \n\n ", 200) == []


def test_it_is_cut_between_paragraphs_then_lines_then_words() -> None:
    first, second = "a" * 50, "b" * 60
    assert split(f"{first}\n\n{second}", 100) == [first, second]
    assert split(f"{first}\n{second}", 100) == [first, second]
    assert split(f"{first} {second}", 100) == [first, second]
    assert split("c" * 250, 100) == ["c" * 100, "c" * 100, "c" * 50]


def test_a_paragraph_is_not_worth_a_piece_that_is_nearly_empty() -> None:
    assert split(f"Hi.\n\n{'word ' * 40}", 100)[0] != "Hi."


def test_a_code_block_is_closed_and_opened_again() -> None:
    lines = [f"line {number} of the code" for number in range(12)]
    pieces = split("See:\n```python\n" + "\n".join(lines) + "\n```\nDone.", 100)
    assert len(pieces) > 2
    assert pieces[0].startswith("See:\n```python\nline 0")
    assert all(piece.startswith("```python\n") for piece in pieces[1:-1])
    assert all(piece.count("```") == 2 for piece in pieces)
    assert re.findall(r"line \d+ of the code", "\n".join(pieces)) == lines
    assert pieces[-1].endswith("Done.")


def test_a_code_block_that_has_only_just_begun_goes_whole_into_the_next_piece() -> None:
    prose, code = "word " * 17, "x" * 60
    pieces = split(f"{prose}\n```python\n{code}\n```", 100)
    assert pieces == [prose.strip(), f"```python\n{code}\n```"]


def test_indentation_of_code_survives_a_cut() -> None:
    lines = [f"    indented {number}" for number in range(20)]
    pieces = split("```\n" + "\n".join(lines) + "\n```", 100)
    assert [line for piece in pieces for line in piece.split("\n") if line.strip("`")] == lines


@pytest.mark.parametrize(("unit", "count"), [("characters", 1), ("utf16", 2), ("bytes", 4)])
def test_lengths_are_the_vendors(unit: Unit, count: int) -> None:
    assert measure("🙂", unit) == count
    assert [measure(piece, unit) for piece in split("🙂" * 300, 100, unit)][:-1] == [100 // count * count] * (
        300 * count // 100 - 1
    )


def test_what_is_one_character_to_a_reader_is_not_torn() -> None:
    for piece in split("🧑" + FAMILY * 60, 100):
        assert not piece.startswith("\u200d")
        assert not piece.endswith("\u200d")


def test_less_than_the_shortest_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at least {SHORTEST}"):
        split("text", SHORTEST - 1)


@given(TEXTS, st.integers(SHORTEST, 300), UNITS)
def test_pieces_fit_and_say_all_of_it(text: str, longest: int, unit: Unit) -> None:
    pieces = split(text, longest, unit)
    assert all(0 < measure(piece, unit) <= longest for piece in pieces)
    assert all(piece.strip() for piece in pieces)
    said = "\n".join(pieces)
    assert _letters(said) == _letters(text)
    assert pieces == split(text, longest, unit)


@given(TEXTS, st.integers(SHORTEST, 300))
def test_each_piece_closes_what_it_opens(text: str, longest: int) -> None:
    for piece in split(text, longest):
        mark = ""
        for line in piece.split("\n"):
            found = re.match(r"(`{3,}|~{3,})", line)
            if found and not mark:
                mark = found.group(1)
            elif mark and line == mark:
                mark = ""
        assert not mark, piece


@given(st.text(max_size=2000), st.integers(SHORTEST, 100), UNITS)
def test_any_text_is_cut(text: str, longest: int, unit: Unit) -> None:
    assert all(0 < measure(piece, unit) <= longest for piece in split(text, longest, unit))


def _letters(text: str) -> str:
    """Without white space and without the lines that open and close code."""
    return "".join(re.sub(r"^(`{3,}|~{3,}).*$", "", text, flags=re.MULTILINE).split())
