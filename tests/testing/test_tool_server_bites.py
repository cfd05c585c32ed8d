"""The suite of tool servers passes a sound server, and each of its checks finds one that is broken."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.errors import SympoziumError
from sympozium_core.ipc.protocol import Manifest
from sympozium_core.testing.program_bench import PATIENCE
from sympozium_core.testing.tool_server import ToolServerContract
from sympozium_core.testing.tool_server_bench import ServerBench
from tests.testing.plain_probes import PlainLegacySuite, PlainServerSuite

HURRY = 1.5
"""Seconds for what a broken server will not do."""


class HurriedBench(ServerBench):
    """Waits long for a server to come up, and for nothing else."""

    def up(self, **environment: str) -> Manifest:
        self.patience = PATIENCE
        try:
            return super().up(**environment)
        finally:
            self.patience = HURRY


BREAKS = {
    "no-tools": "it_says_what_it_serves",
    "manifest-shape": "the_manifest_is_of_the_protocol",
    "manifest-in-place": "the_manifest_is_written_and_then_renamed",
    "name-taken": "names_are_such_as_models_can_call",
    "name-dotted": "names_are_such_as_models_can_call",
    "no-description": "descriptions_tell_the_model_what_a_tool_does",
    "schema-wrong": "parameters_are_a_json_schema",
    "schema-not-object": "parameters_are_an_object_with_what_they_require",
    "requires-unknown": "parameters_are_an_object_with_what_they_require",
    "schema-long": "schemas_are_short_enough_to_be_offered",
    "not-twice": "it_comes_up_again_where_it_was_before",
    "wrong-id": "a_call_is_answered",
    "wrong-status": "a_call_is_answered",
    "wrong-shape": "a_result_is_of_the_protocol",
    "result-in-place": "a_result_is_written_and_then_renamed",
    "only-new": "requests_from_before_it_came_up_are_answered",
    "answers-one": "many_requests_at_once_are_all_answered",
    "runs-twice": "a_request_runs_once",
    "claims-nothing": "of_two_servers_one_answers",
    "one-by-one": "a_slow_call_does_not_hold_up_others",
    "any-tool": "an_unknown_tool_is_an_error_that_says_so",
    "any-arguments": "arguments_that_do_not_fit_are_an_error_that_says_so",
    "dies-of-error": "it_lives_on_after_errors",
    "ignores-deadline": "the_deadline_of_a_call_is_kept",
    "begins-late": "a_call_that_comes_too_late_is_not_begun",
    "reads-hidden": "files_that_are_not_there_yet_are_left_alone",
    "dies-of-junk": "junk_among_the_requests_does_no_harm",
    "believes-inside": "a_request_that_cannot_be_read_is_answered_by_its_name",
    "knows-all-fields": "fields_that_it_does_not_know_are_ignored",
    "ascii": "text_comes_through_unchanged[umlauts]",
    "one-line": "text_comes_through_unchanged[lines]",
    "wrong-encoding": "text_comes_through_unchanged[beyond-the-basic-plane]",
    "reads-no-escapes": "text_is_read_however_its_writer_escaped_it",
    "short-arguments": "large_arguments_come_through",
    "unbounded": "a_flood_of_output_is_bounded",
    "does-not-say": "output_that_was_cut_is_said_to_be",
    "keeps-nothing": "output_that_was_cut_is_kept_whole",
    "linked-artifact": "artifacts_are_plain_files_with_plain_names",
    "same-artifact": "artifacts_of_two_calls_do_not_overwrite_each_other",
    "writes-home": "it_writes_nowhere_but_in_its_places",
    "writes-beside": "it_writes_nowhere_but_in_its_places",
    "leaves-half": "it_leaves_nothing_half_written",
    "ignores-cancel": "a_call_that_is_cancelled_ends",
    "leaves-cancel": "the_word_of_a_cancel_is_taken_away",
    "dies-of-cancel": "a_cancel_for_nobody_does_no_harm",
    "leaves-processes": "a_cancelled_call_leaves_no_process",
    "ignores-done": "it_ends_when_no_more_calls_will_come",
    "ends-badly": "it_ends_also_when_it_was_done_before_it_came_up",
    "ignores-signal": "it_ends_by_a_signal",
    "outlived": "it_ends_while_calls_run_and_leaves_no_process[done]",
    "only-new-again": "the_next_server_answers_what_was_not_begun",
    "makes-again": "the_next_server_does_not_run_again_what_was_begun",
    "runs-answered": "the_next_server_does_not_answer_twice",
    "takes-legacy": "requests_in_the_originals_form_are_left_alone_by_who_does_not_speak_it",
    "legacy-no-args": "a_command_in_the_originals_form_is_run_by_a_shell",
    "legacy-shell": "words_in_the_originals_form_are_run_without_a_shell",
    "legacy-no-stdin": "standard_input_in_the_originals_form",
    "legacy-no-time": "a_time_in_the_originals_form_is_kept",
    "legacy-any-target": "a_request_in_the_originals_form_for_another_is_left_to_it",
    "legacy-shape": "a_result_in_the_originals_form_is_of_the_protocol",
    "polls-never": "it_works_where_nobody_tells_of_files",
}
"""How a server is broken, and the check that finds it."""
OTHERWISE = {
    "every_probe_is_of_a_tool_that_it_serves": "of the declarations, below",
    "declarations_name_what_there_is": "of the declarations, below",
}


class TestPlainServer(PlainServerSuite):
    pass


class TestPlainLegacyServer(PlainLegacySuite):
    pass


@pytest.mark.parametrize("way", BREAKS)
def test_a_broken_server_fails(way: str, tmp_path: Path) -> None:
    bench = HurriedBench(tmp_path / "bench", "plain", [*PlainServerSuite.command, way])
    bench.patience = HURRY
    suite = PlainLegacySuite() if way.startswith("legacy") else PlainServerSuite()
    with pytest.raises((AssertionError, SympoziumError, OSError)):
        run_check(suite, BREAKS[way], bench)
    bench.close()


def test_wrong_declarations_fail() -> None:
    class Wrong(PlainServerSuite):
        known_gaps: ClassVar = {"test_nothing": "no such check"}

    class Both(PlainServerSuite):
        lacks: ClassVar = {"slow": "there is one"}

    for suite in (Wrong, Both):
        with pytest.raises(AssertionError):
            suite().test_declarations_name_what_there_is()


def test_what_is_neither_declared_nor_there_fails(tmp_path: Path) -> None:
    class Silent(ToolServerContract):
        name = "plain"
        command = PlainServerSuite.command

    class Outspoken(Silent):
        lacks: ClassVar = {"example": "it only has side effects"}

    bench = ServerBench(tmp_path / "bench", "plain", PlainServerSuite.command)
    with pytest.raises(AssertionError, match=r"declare probes\.example"):
        Silent().test_a_call_is_answered(bench)
    with pytest.raises(pytest.skip.Exception, match="side effects"):
        Outspoken().test_a_call_is_answered(bench)
    bench.close()


def test_every_check_has_a_server_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(ToolServerContract) if name.startswith("test_")}
    found = {re.sub(r"\[.*", "", check) for check in BREAKS.values()}
    assert sorted(checks - found - set(OTHERWISE)) == []
    assert len(checks) >= 25


def run_check(suite: ToolServerContract, name: str, bench: ServerBench) -> None:
    """One check, with the parameters that its name has in brackets."""
    check, _, case = name.removesuffix("]").partition("[")
    method = getattr(suite, f"test_{check}")
    values: Sequence[object] = ()
    if case:
        (mark,) = [each for each in method.pytestmark if each.name == "parametrize"]
        given = list(mark.args[1])
        values = (given[list(mark.kwargs.get("ids") or given).index(case)],)
    method(bench, *values)
