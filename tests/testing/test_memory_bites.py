"""The suite of memory backends passes a sound one, and each of its checks finds one that is broken."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from sympozium_core.contracts.memory import Full, Memory, Unavailable
from sympozium_core.testing.memory import MemoryContract
from sympozium_core.testing.memory_bench import Bench
from tests.testing import broken_memory as broken
from tests.testing.broken_modules import MODULES
from tests.testing.sound_memory import SoundMemory

BREAKS: dict[type[Memory], tuple[str, ...]] = {
    broken.Forgets: ("what_is_stored_is_listed",),
    broken.NeedsAFile: ("an_empty_memory_is_empty",),
    broken.Lists: ("notes_are_plain",),
    broken.Strips: ("text_comes_back_unchanged[blanks]", "text_comes_back_unchanged[nul]"),
    broken.NewLines: ("text_comes_back_unchanged[lines]",),
    broken.FoldsCase: ("texts_that_look_the_same_are_notes_of_their_own",),
    broken.Doubles: ("the_same_content_is_one_note",),
    broken.NewTagsOnly: ("the_same_content_again_adds_its_tags",),
    broken.SortsTags: ("tags_keep_their_order_and_come_once",),
    broken.CommasBetween: ("tags_come_back_unchanged",),
    broken.PartsOfTags: ("a_tag_is_matched_whole",),
    broken.AnyTag: ("a_list_by_tags_has_the_notes_with_all_of_them",),
    broken.OneId: ("each_note_has_an_id_of_its_own_and_keeps_it",),
    broken.ByTheClock: ("lists_are_in_the_order_of_storing",),
    broken.StaysInPlace: ("a_note_that_is_stored_again_is_the_newest",),
    broken.NoLimit: ("a_list_has_no_more_than_was_asked_for", "no_more_is_found_than_was_asked_for_and_each_once"),
    broken.LongAgo: ("times_are_of_now_and_in_utc",),
    broken.AllWords: ("a_note_is_found_by_any_of_its_words",),
    broken.MindsCase: ("case_makes_no_difference",),
    broken.Latin: ("words_of_every_script_are_found",),
    broken.TagsUnseen: ("a_note_is_found_by_its_tags",),
    broken.FirstTagsOnly: ("a_note_is_found_by_tags_that_it_got_later",),
    broken.NewestFirst: ("the_note_with_more_of_the_words_comes_first",),
    broken.AllWordsAlike: ("a_rare_word_is_worth_more",),
    broken.Twice: ("no_more_is_found_than_was_asked_for_and_each_once",),
    broken.WithoutTags: ("what_is_found_is_the_whole_note",),
    broken.Patterns: ("a_question_is_words_and_no_language[parentheses]",),
    broken.EverythingForNothing: ("a_question_without_words_finds_nothing",),
    broken.ShortWords: ("very_long_words",),
    broken.Slow: ("a_very_long_question_is_answered",),
    broken.CutsAtControls: ("hostile_notes_are_found_like_others",),
    broken.MakesRoom: ("a_full_memory_refuses_and_keeps_what_it_has",),
    broken.LeavesOneByte: ("a_note_that_fits_exactly_is_stored_and_one_byte_more_is_not",),
    broken.Characters: ("bytes_are_counted_and_not_characters",),
    broken.ContentsOnly: ("tags_are_counted",),
    broken.FirstTagsCount: ("tags_that_are_added_are_counted",),
    broken.CountsAgain: ("what_is_there_already_needs_no_room",),
    broken.Terse: ("a_refusal_says_how_much_there_is",),
    broken.Trims: ("a_smaller_bound_loses_nothing",),
    broken.FirstBound: ("a_larger_bound_makes_room",),
    broken.CountsItsOwn: ("the_bound_is_of_all_processes_together",),
    broken.Logs: ("what_is_stored_again_and_again_does_not_grow",),
    broken.WantsWords: ("it_is_made_without_work",),
    broken.ClosesOnce: ("closing_twice_does_no_harm",),
    broken.MakesAnew: ("a_folder_that_is_there_is_used",),
    broken.TidiesUp: ("notes_outlive_whoever_stored_them",),
    broken.OneFolder: ("two_folders_are_two_memories",),
    broken.Beside: ("it_writes_nowhere_but_in_its_folder",),
    broken.TellsNobody: (
        "a_place_that_cannot_be_used_is_unavailable[below-a-file]",
        "damage_is_unavailable_or_overcome[junk]",
        "damage_is_unavailable_or_overcome[cut]",
    ),
    broken.BearsAGrudge: ("a_place_that_has_been_mended_is_used",),
    broken.Remembers: ("what_another_process_stores_is_seen_at_once",),
    broken.KeepsTheLock: ("who_has_it_open_holds_nobody_up",),
    broken.NoLock: ("processes_that_store_at_the_same_time_lose_nothing", "processes_that_store_the_same_make_one_note"),
    broken.RacesToBegin: ("processes_may_begin_at_the_same_time",),
    broken.LockOfTheProcess: ("threads_at_once_lose_nothing",),
    broken.WritesLater: ("what_was_acknowledged_outlives_a_kill[1]", "what_was_acknowledged_outlives_a_kill[7]"),
    broken.LockIsAFile: ("who_is_killed_holds_nobody_up",),
    broken.TagsComeLater: ("half_a_note_is_no_note",),
    broken.Unfinished: ("the_entry_point_names_the_class",),  # type: ignore[type-abstract]  # which is what is wrong with it
}
"""How a backend is broken, and the checks that find it."""
HANGING = (broken.Slow, broken.KeepsTheLock, broken.LockIsAFile)
SECONDS = 2.0
"""After which those are taken as hanging."""


class TestSound(MemoryContract):
    memory_class = SoundMemory


class Suite(MemoryContract):
    __test__ = False


@pytest.mark.parametrize(
    ("memory_class", "check"),
    [
        pytest.param(memory_class, check, id=f"{memory_class.__name__}-{check}")
        for memory_class, checks in BREAKS.items()
        for check in checks
    ],
)
def test_a_broken_backend_fails(
    memory_class: type[Memory], check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Suite, "memory_class", memory_class, raising=False)
    bench = Bench(memory_class, tmp_path, SECONDS) if memory_class in HANGING else Bench(memory_class, tmp_path)
    expected = (AssertionError, Full, Unavailable, OSError, TypeError, ValueError, AttributeError, re.error)
    try:
        with pytest.raises((*expected, pytest.fail.Exception)):
            run_check(Suite(), check, bench)
    finally:
        bench.close()


@pytest.mark.parametrize("way", MODULES)
def test_a_module_that_does_more_than_it_should_fails(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, check = MODULES[way]
    (tmp_path / "a_backend_of_a_test.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    made = type("Made", (SoundMemory,), {"__module__": "a_backend_of_a_test"})
    monkeypatch.setattr(Suite, "memory_class", made, raising=False)
    with pytest.raises(AssertionError):
        run_check(Suite(), check, Bench(made, tmp_path))
    assert "a_backend_of_a_test" not in sys.modules


def test_every_check_has_a_backend_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(MemoryContract) if name.startswith("test_")}
    found = [check for each in BREAKS.values() for check in each] + [check for _, check in MODULES.values()]
    assert sorted(checks - {re.sub(r"\[.*", "", check) for check in found}) == []


def run_check(suite: MemoryContract, name: str, bench: Bench) -> None:
    check, _, case = name.removesuffix("]").partition("[")
    method = getattr(suite, f"test_{check}")
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    given = [int(case) if case.isdigit() else case] if case else []
    method(*([bench] if "bench" in wanted else []), *given)
