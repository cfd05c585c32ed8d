"""The tools on a real file: what is stored is found. What any backend has to keep is the matter of its own suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sympozium_skill_memory import server

from sympozium_core.sidecar import Outcome
from sympozium_core.sidecar.definition import BadArguments


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYMPOZIUM_MEMORY", str(tmp_path))
    return tmp_path


def stored(content: str, *tags: str) -> Outcome:
    found = server.memory_store(content, list(tags))
    assert isinstance(found, Outcome)
    return found


def contents(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line and not line.startswith(("[", "("))]


def test_what_is_stored_is_found_by_any_of_its_words() -> None:
    assert stored("The payments API needs 256Mi since March.", "payments").content == "stored as note 1"
    stored("Ada wants reports in French.", "people")
    question = "why does the payments deployment get killed for its memory?"
    assert contents(server.memory_search(question)) == ["The payments API needs 256Mi since March."]
    assert server.memory_search("nothing like it") == "no note has any of these words"


def test_the_note_with_more_of_the_words_comes_first() -> None:
    stored("Redis was slow.")
    stored("Redis was slow because of swap.")
    assert contents(server.memory_search("redis swap", 1)) == ["Redis was slow because of swap."]


def test_a_question_cannot_speak_the_language_of_the_index() -> None:
    stored("plain words")
    for query in ('"', 'plain" OR "x', "plain AND NOT words", "content:plain", "NEAR(plain words)", "*", "plain*"):
        try:
            server.memory_search(query)
        except BadArguments:
            assert not any(letter.isalnum() for letter in query)


def test_equal_content_is_one_note_with_all_of_its_tags() -> None:
    stored("Once.", "a")
    assert stored("  Once.  ", "b").content == "stored as note 1"
    assert contents(server.memory_list(["a", "b"])) == ["Once."]
    assert contents(server.memory_search("once")) == ["Once."]


def test_lists_are_newest_first_and_by_tag() -> None:
    for number in range(3):
        stored(f"Note {number}.", "all", "even" if number % 2 == 0 else "odd")
    assert contents(server.memory_list(limit=2)) == ["Note 2.", "Note 1."]
    assert contents(server.memory_list(["even"])) == ["Note 2.", "Note 0."]
    assert server.memory_list(["eve_"]) == "no note has these tags"
    assert server.memory_list(["%"]) == "no note has these tags"


def test_an_empty_memory_says_so() -> None:
    assert server.memory_list() == "there are no notes yet"


def test_answers_are_bounded_and_count_what_they_leave_out() -> None:
    for number in range(10):
        stored(f"{number} " + "x" * 1500)
    answer = server.memory_list()
    assert len(answer) < server.SHOWN + 2000
    assert "more were found" in answer


def test_a_full_memory_refuses_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPOZIUM_MEMORY_KB", "1")
    stored("ä" * 400)
    refused = stored("b" * 400)
    assert refused.status == "error"
    assert refused.content.startswith("the memory has 800 of 1024 bytes: there is no room")
    assert "spec.memory.maxSizeKB" in refused.content
    assert stored("ä" * 400).status == "ok", "what is there already needs no room"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: server.memory_store("   "), "must have 1 to 4000 characters, has 0"),
        (lambda: server.memory_store("x" * 4001), "has 4001"),
        (lambda: server.memory_store("x", ["two words"]), "the tag 'two words' must be one word"),
        (lambda: server.memory_store("x", [str(number) for number in range(11)]), "give at most 10"),
        (lambda: server.memory_search("a", 0), "'top_k' must be 1 to 50, is 0"),
        (lambda: server.memory_search("?!"), "has no word in it"),
        (lambda: server.memory_store("\ud800"), "'content' has half of a character in it"),
        (lambda: server.memory_store("x", ["a\udfff"]), "'tags' has half of a character in it"),
        (lambda: server.memory_search("x \ud800"), "'query' has half of a character in it"),
        (lambda: server.memory_list(limit=51), "'limit' must be 1 to 50, is 51"),
    ],
)
def test_arguments_that_do_not_fit_are_named(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(BadArguments, match=said.replace("?", r"\?")):
        call()
