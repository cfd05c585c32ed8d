from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympozium_provider_openai.lines import LineSplitter, TooLong
from sympozium_provider_openai.sse import Event, EventParser

STREAM = 'data: {"a": "grün 🙂"}\n\n: a comment\nevent: error\r\ndata: one\r\ndata: two\r\n\r\nid: 7\nretry: 10\ndata:tight\n\n'.encode()
EVENTS = [Event('{"a": "grün 🙂"}'), Event("one\ntwo", "error"), Event("tight")]


@given(st.lists(st.integers(min_value=0, max_value=len(STREAM)), max_size=30))
def test_events_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    events = [event for start, end in pairwise(edges) for event in parser.feed(STREAM[start:end])]
    assert events + parser.finish() == EVENTS


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_lines_join_to_what_was_fed(pieces: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    whole = b"".join(pieces).split(b"\n")
    assert [*lines, splitter.rest()] == [line[:-1] if line.endswith(b"\r") else line for line in whole[:-1]] + whole[-1:]


def test_the_blank_line_at_the_end_may_be_missing() -> None:
    parser = EventParser()
    assert parser.feed(b"data: one\n") == []
    assert parser.finish() == [Event("one")]


def test_a_line_cut_in_the_middle_is_no_event_unless_it_is_the_end_mark() -> None:
    for stream, events in [(b'data: {"half', []), (b"data: [DONE]", [Event("[DONE]")])]:
        parser = EventParser()
        parser.feed(stream)
        assert parser.finish() == events


def test_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert EventParser().feed(b"\xef\xbb\xbfdata: x\n\n") == [Event("x")]


@pytest.mark.parametrize(
    ("stream", "what"),
    [
        ([b"data: " + b"x" * 200], "line"),
        ([b"data: " + b"x" * 200 + b"\n"], "line"),
        ([b"data: " + b"x" * 80 + b"\n"] * 4, "event"),
        ([b": " + b"x" * 80 + b"\n"] * 20, "answer"),
    ],
)
def test_bounds(stream: list[bytes], what: str) -> None:
    parser = EventParser(max_line=100, max_event=200, max_total=1000)
    with pytest.raises(TooLong, match=what):
        parser.feed(b"".join(stream))


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        EventParser().feed(b"data: \xff\xfe\n")
