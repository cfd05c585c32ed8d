from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympozium_provider_replay.cassette import Cassette, Entry, Mask, Recorded, RecordedAnswer, RecordedCall, Source
from sympozium_provider_replay.cassette_file import CassetteError, parse, render
from sympozium_provider_replay.conversation import conversation_after

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORD = st.sampled_from(["look", "yes", "2026-01-01", "12", "1e5", "null", "~", "a: b", "- x", "#", "* a", "0x1f", "é"])
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | WORD, inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "system", "tool"]), "content": TEXT | WORD})
CALL = st.builds(RecordedCall, WORD, WORD, st.dictionaries(TEXT | WORD, JSON, max_size=3) | TEXT)
ANSWER = st.one_of(
    st.builds(RecordedAnswer, text=TEXT | WORD, tool_calls=st.lists(CALL, max_size=2).map(tuple), finish_reason=WORD,
              prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9), extra=st.dictionaries(WORD, TEXT, max_size=2)),
    st.builds(RecordedAnswer, text=TEXT),
)  # fmt: skip
DIGESTS = st.dictionaries(WORD, st.text("0123456789abcdef", min_size=12, max_size=12), max_size=3)


@st.composite
def cassettes(draw: st.DrawFn) -> Cassette:
    entries: list[Entry] = []
    for _ in range(draw(st.integers(0, 4))):
        so_far = conversation_after(entries[-1]) if entries else ()
        kept = draw(st.integers(0, len(so_far)))
        messages = (*so_far[:kept], *draw(st.lists(MESSAGE, max_size=3)))
        parameters = draw(st.dictionaries(WORD, JSON, max_size=2))
        entries.append(Entry(messages, draw(DIGESTS), parameters, draw(ANSWER), draw(st.sampled_from([0.0, 0.5, 2.0]))))
    return Cassette(
        entries=tuple(entries),
        record=draw(st.none() | st.builds(Source, WORD, WORD, st.just("http://h/v1"))),
        recorded=draw(st.none() | st.builds(Recorded, WORD, WORD, WORD, WORD)),
        masks=tuple(draw(st.lists(st.builds(Mask, st.sampled_from([r"\d+", "[a-z]x", '"\\\\']), TEXT), max_size=2))),
        pause=draw(st.sampled_from([0.0, 0.25])),
    )


@given(cassettes())
def test_what_is_written_is_read_back(cassette: Cassette) -> None:
    assert parse(render(cassette)) == cassette


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping"),
        ("- 1", "expected a mapping"),
        ("cassette: 2\nentries: []", "cassette: expected 1"),
        ("cassette: 1\nentires: []", "entires: unknown field"),
        ("cassette: 1\nentries: {}", "entries: expected list"),
        ("cassette: 1\nentries: [{}]", r"entries\[0\].request: missing"),
        ("cassette: 1\nentries: [{request: {messages: [x]}, answer: {}}]", r"messages\[0\]: expected a message with a role"),
        ("cassette: 1\nentries: [{request: {messages: []}, answer: {text: 2026-01-01}}]", r"answer.text: expected str, found date; put it in quotes"),
        ("cassette: 1\nentries: [{request: {messages: [{role: user, content: 2026-01-01}]}, answer: {}}]", "content: a date; put it in quotes"),
        ("cassette: 1\nentries: [{request: {keep: 1, messages: []}, answer: {}}]", "keep: the conversation so far has 0"),
        ("cassette: 1\nentries: [{request: {messages: []}, answer: {}, pause: -1}]", r"entries\[0\].pause"),
        ("cassette: 1\nrecord: {provider: replay, model: x}", "cannot be recorded from a cassette"),
        ("cassette: 1\nrecord: {provider: openai, model: x, baseURL: 'http://me:pw@h/v1'}", "no user or password"),
        ("cassette: 1\nvolatile: [{pattern: '(', as: x}]", r"volatile\[0\].pattern"),
        ("cassette: 1\nvolatile: [{pattern: '.*', as: x}]", "would hide everything"),
        ("cassette: 1\na: &a [1]\nb: [*a, *a]", "aliases"),
        ("cassette: 1\n  x: {", "not YAML"),
        ("cassette: !!python/object/apply:os.system [echo]", "not YAML"),
        ("\x00", "not YAML"),
    ],
)  # fmt: skip
def test_files_that_are_no_cassettes_say_where(text: str, words: str) -> None:
    with pytest.raises(CassetteError, match=words):
        parse(text)


def test_a_broken_file_is_not_quoted() -> None:
    with pytest.raises(CassetteError) as raised:
        parse("root:x:0:0:secret-words: [\n")
    assert "secret-words" not in str(raised.value)
