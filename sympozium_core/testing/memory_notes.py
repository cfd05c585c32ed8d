"""Part of `memory.MemoryContract`: what is stored is listed, as it was stored and in its order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sympozium_core.contracts.memory import MAX_CONTENT, MAX_NOTES, Note
from sympozium_core.testing.memory_bench import Bench, contents

TEXTS = {
    "lines": "one\ntwo\r\nthree\rfour\u2028five\u0085six\x0bseven",
    "blanks": "  two before, and a tab after\t",
    "nul": "before\x00after",
    "controls": "\x01\x07\x08\x1b[31mred\x1b[0m\x7f",
    "quotes": 'it\'s "said" `so` \\ and \\n stays',
    "sql": "'); DROP TABLE memories; --",
    "json": '{"content": null}\n{"id": "1"}',
    "front-matter": "---\nid: 1\n---\n# Not a title",
    "path": "../../../etc/passwd",
    "format": "%s %(a)s {0} $HOME ${name}",
    "planes": "\U0001f9e0 \U00020000 \u202eright to left\u202c",
    "marks": "e\u0301 o\u0308 \u0928\u093f",
    "no-characters": "\ufffe\uffff\ufeff",
    "longest": "x" * MAX_CONTENT,
}
LOOK_THE_SAME = ("Straße", "straße", "STRASSE", "Strasse", "caf\u00e9", "cafe\u0301", "a b", "a  b", "a b ", "a\u00a0b")
TAGS = ("per%cent", "under_score", "star*", "quote'\"", "back\\slash", "comma,comma", "#hash", "slash/..", "é", "a\x00b")


class NoteChecks:
    def test_what_is_stored_is_listed(self, bench: Bench) -> None:
        memory = bench.open()
        stored = memory.store("Deploys happen on Tuesdays.", ["deploys"])
        assert (stored.content, stored.tags) == ("Deploys happen on Tuesdays.", ("deploys",))
        assert list(memory.newest([], 10)) == [stored]

    def test_an_empty_memory_is_empty(self, bench: Bench) -> None:
        memory = bench.open()
        assert list(memory.newest([], 10)) == []
        assert list(memory.newest(["a"], 10)) == []
        assert list(memory.search("anything", 10)) == []

    def test_notes_are_plain(self, bench: Bench) -> None:
        """They are shown to a model as they are."""
        memory = bench.open()
        for note in (memory.store("One.", ["a"]), *memory.newest([], 10), *memory.search("one", 10)):
            assert type(note) is Note
            assert {type(note.id), type(note.content), type(note.at), *map(type, note.tags)} == {str}
            assert type(note.tags) is tuple
            assert 1 <= len(note.id) <= 40, f"{note.id!r} is no short id"
            assert note.id.isprintable(), f"{note.id!r} cannot be shown"

    @pytest.mark.parametrize("text", TEXTS)
    def test_text_comes_back_unchanged(self, bench: Bench, text: str) -> None:
        memory = bench.open()
        memory.store("before", [])
        assert memory.store(TEXTS[text], []).content == TEXTS[text]
        memory.store("after", [])
        assert contents(memory.newest([], 10)) == ["after", TEXTS[text], "before"]
        assert contents(bench.open().newest([], 10)) == ["after", TEXTS[text], "before"]

    def test_texts_that_look_the_same_are_notes_of_their_own(self, bench: Bench) -> None:
        memory = bench.open()
        for text in LOOK_THE_SAME:
            memory.store(text, [])
        assert contents(reversed(memory.newest([], MAX_NOTES))) == list(LOOK_THE_SAME)

    def test_the_same_content_is_one_note(self, bench: Bench) -> None:
        memory = bench.open()
        first = memory.store("Once.", [])
        memory.store("Between.", [])
        assert memory.store("Once.", []).id == first.id
        assert sorted(contents(memory.newest([], 10))) == ["Between.", "Once."]

    def test_the_same_content_again_adds_its_tags(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Once.", ["b", "a"])
        assert memory.store("Once.", ["c", "a"]).tags == ("b", "a", "c")
        assert [note.tags for note in memory.newest([], 10)] == [("b", "a", "c")]
        assert contents(memory.newest(["c", "b"], 10)) == ["Once."]

    def test_tags_keep_their_order_and_come_once(self, bench: Bench) -> None:
        memory = bench.open()
        assert memory.store("Once.", ["z", "a", "z", "m", "a"]).tags == ("z", "a", "m")
        assert [note.tags for note in memory.newest([], 10)] == [("z", "a", "m")]

    def test_tags_come_back_unchanged(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Tagged.", TAGS)
        assert [note.tags for note in memory.newest([], 10)] == [TAGS]
        for tag in TAGS:
            assert contents(memory.newest([tag], 10)) == ["Tagged."], tag

    def test_a_tag_is_matched_whole(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Tagged.", [*TAGS, "release-notes"])
        for tag in ("release", "notes", "elease-note", "%", "_", "*", "under.score", "underxscore", "Release-notes", "a"):
            assert list(memory.newest([tag], 10)) == [], tag

    def test_a_list_by_tags_has_the_notes_with_all_of_them(self, bench: Bench) -> None:
        memory = bench.open()
        for number in range(6):
            memory.store(f"Note {number}.", ["all", "even" if number % 2 == 0 else "odd", f"n{number}"])
        assert contents(memory.newest(["all", "even"], 10)) == ["Note 4.", "Note 2.", "Note 0."]
        assert contents(memory.newest(["odd"], 2)) == ["Note 5.", "Note 3."]
        assert list(memory.newest(["even", "odd"], 10)) == []

    def test_each_note_has_an_id_of_its_own_and_keeps_it(self, bench: Bench) -> None:
        memory = bench.open()
        given = {memory.store(f"Note {number}.", []).id: f"Note {number}." for number in range(12)}
        assert len(given) == 12
        assert {note.id: note.content for note in bench.open().newest([], MAX_NOTES)} == given

    def test_lists_are_in_the_order_of_storing(self, bench: Bench) -> None:
        """Also of notes of one second."""
        memory = bench.open()
        for number in range(12):
            memory.store(f"Note {number}.", [])
        assert contents(memory.newest([], MAX_NOTES)) == [f"Note {number}." for number in reversed(range(12))]

    def test_a_note_that_is_stored_again_is_the_newest(self, bench: Bench) -> None:
        memory = bench.open()
        for number in (0, 1, 2, 0):
            memory.store(f"Note {number}.", [])
        assert contents(memory.newest([], 10)) == ["Note 0.", "Note 2.", "Note 1."]
        assert contents(bench.open().newest([], 10)) == ["Note 0.", "Note 2.", "Note 1."]

    def test_a_list_has_no_more_than_was_asked_for(self, bench: Bench) -> None:
        memory = bench.open()
        for number in range(5):
            memory.store(f"Note {number}.", ["a"])
        assert contents(memory.newest([], 1)) == ["Note 4."]
        assert contents(memory.newest(["a"], 3)) == ["Note 4.", "Note 3.", "Note 2."]

    def test_times_are_of_now_and_in_utc(self, bench: Bench) -> None:
        memory = bench.open()
        memory.store("Now.", [])
        for note in memory.newest([], 10):
            at = datetime.strptime(note.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            assert abs(datetime.now(UTC) - at) < timedelta(minutes=2), note.at
