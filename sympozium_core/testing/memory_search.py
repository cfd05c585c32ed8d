"""Part of `memory.MemoryContract`: what is looked for is found, whatever is asked."""

from __future__ import annotations

import pytest

from sympozium_core.contracts.memory import MAX_CONTENT, MAX_NOTES
from sympozium_core.testing.memory_bench import Bench, contents

QUESTIONS = {
    "quote": 'plain" OR "x',
    "apostrophe": "plain' OR '1'='1",
    "operators": "plain AND NOT words OR",
    "column": "content:plain tags:x",
    "near": "NEAR(plain words, 2)",
    "star": "plain* ^plain",
    "parentheses": "((plain",
    "minus": "-plain +words",
    "sql": "plain'; DROP TABLE memories; --",
    "pattern": "[plain .*+?{2} %_ \\",
    "nul": "plain\x00words",
    "controls": "plain\x1b\x7f\u2028\u0085words",
    "json": '{"plain": ["words"]}',
    "planes": "plain \U0001f9e0 \u202ewords",
    "no-characters": "plain \ufffe\uffff",
}
"""Each has the words "plain" and "words" or one of them."""
NO_WORDS = ("", " ", "?!", '"', "*", "(", "'", "\U0001f9e0", "\x00", "%")


class SearchChecks:
    def test_a_note_is_found_by_any_of_its_words(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("The payments API needs 256Mi since March.", [])
        memory.store("Ada wants reports in French.", [])
        for question in ("payments", "why does the payments deployment get killed?", "256Mi", "march or april"):
            assert contents(memory.search(question, 1)) == ["The payments API needs 256Mi since March."], question

    def test_case_makes_no_difference(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Ärger mit ΚΑΦΕΣ und Redis.", [])
        for question in ("REDIS", "redis", "ärger", "ÄRGER", "καφεσ"):
            assert contents(memory.search(question, 5)) == ["Ärger mit ΚΑΦΕΣ und Redis."], question

    def test_words_of_every_script_are_found(self, bench: Bench) -> None:
        memory = bench.open()
        texts = {
            "привет": "привет мир",
            "日本語": "日本語 テスト",
            "שלום": "שלום עולם",
            "مرحبا": "مرحبا بالعالم",
            "x_1": "call x_1 first",
        }
        for text in texts.values():
            memory.store(text, [])
        assert {word: contents(memory.search(word, 1)) for word in texts} == {word: [text] for word, text in texts.items()}

    def test_a_note_is_found_by_its_tags(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("It was the disk.", ["incident"])
        memory.store("It was nothing.", [])
        assert contents(memory.search("incident", 1)) == ["It was the disk."]

    def test_a_note_is_found_by_tags_that_it_got_later(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("It was the disk.", [])
        memory.store("It was nothing.", [])
        memory.store("It was the disk.", ["incident"])
        assert contents(memory.search("incident", 1)) == ["It was the disk."]

    def test_the_note_with_more_of_the_words_comes_first(self, bench: Bench) -> None:
        memory = bench.open()
        for text in ("Redis swapped a lot.", "Redis slept a lot.", "Postgres slept a lot."):
            memory.store(text, [])
        assert contents(memory.search("redis slept", 1)) == ["Redis slept a lot."]

    def test_a_rare_word_is_worth_more(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("It is host borealis.", [])
        for number in range(20):
            memory.store(f"It is cache {number}.", [])
        assert contents(memory.search("cache borealis", 1)) == ["It is host borealis."]

    def test_no_more_is_found_than_was_asked_for_and_each_once(self, bench: Bench) -> None:
        memory = bench.open()
        for number in range(8):
            memory.store(f"Note note NOTE {number}.", ["note"])
        assert (
            len(set(contents(memory.search("note notes 1 2 3", MAX_NOTES))))
            == len(memory.search("note notes 1 2 3", MAX_NOTES))
            == 8
        )
        assert len(memory.search("note", 3)) == 3

    def test_what_is_found_is_the_whole_note(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Deploys happen on Tuesdays.", ["deploys"])
        memory.store("Deploys happen on Tuesdays.", ["weekly"])
        assert list(memory.search("tuesdays", 5)) == list(memory.newest([], 5))
        assert memory.search("tuesdays", 5)[0].tags == ("deploys", "weekly")

    @pytest.mark.parametrize("question", QUESTIONS)
    def test_a_question_is_words_and_no_language(self, bench: Bench, question: str) -> None:
        memory = bench.open()
        memory.store("plain words", [])
        assert contents(memory.search(QUESTIONS[question], 5)) == ["plain words"]
        assert contents(memory.newest([], 5)) == ["plain words"]

    def test_a_question_without_words_finds_nothing(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("plain words \U0001f9e0", [])
        for question in NO_WORDS:
            assert list(memory.search(question, 5)) == [], question

    def test_very_long_words(self, bench: Bench) -> None:
        memory = bench.open()
        longest = "w" * MAX_CONTENT
        memory.store(longest, [])
        assert contents(memory.search(longest, 5)) == [longest]
        assert contents(memory.search(f"{'v' * 200_000} {longest}", 5)) == [longest]

    def test_a_very_long_question_is_answered(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("plain words", [])
        question = "plain " + " ".join(f"nothing{number}" for number in range(20_000))
        assert contents(bench.soon(lambda: memory.search(question, 5))) == ["plain words"]

    def test_hostile_notes_are_found_like_others(self, bench: Bench) -> None:
        memory = bench.open()
        texts = [f"{hostile} kept{number}x" for number, hostile in enumerate(QUESTIONS.values())]
        for text in texts:
            memory.store(text, [])
        assert [contents(memory.search(f"kept{number}x", 1)) for number in range(len(texts))] == [[text] for text in texts]
