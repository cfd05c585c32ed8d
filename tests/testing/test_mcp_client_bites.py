"""The suite of MCP clients passes a sound one, and each of its checks finds one that is broken."""

from __future__ import annotations

import importlib
import inspect
import itertools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from sympozium_core.contracts.mcp import McpClient
from sympozium_core.errors import SympoziumError
from sympozium_core.testing import mcp_client_adapter as adapter_checks
from sympozium_core.testing.mcp_client import McpClientContract
from sympozium_core.testing.mcp_client_case import McpCase
from tests.testing import broken_mcp_clients as broken
from tests.testing import rude_mcp_clients as rude
from tests.testing.broken_modules import MODULES
from tests.testing.sound_mcp_client import SoundClient

HURRY = 4.0
"""Seconds for what a broken client or adapter will not do."""


class TestSound(McpClientContract):
    client_class = SoundClient


BREAKS: dict[type[McpClient], tuple[str, ...]] = {
    broken.SortsTools: ("what_a_server_has_is_found",),
    broken.ListOfTools: ("what_is_found_is_plain",),
    broken.Prefixes: ("names_are_the_servers_own",),
    broken.Filters: ("names_are_the_servers_own",),
    broken.OneLine: ("descriptions_come_unchanged",),
    broken.CutsDescriptions: ("descriptions_come_unchanged",),
    broken.NameForDescription: ("a_tool_that_is_not_described_has_no_description",),
    broken.NoAnnotations: ("annotations_are_what_the_server_says",),
    broken.Trusting: ("what_is_not_said_is_taken_for_granted",),
    broken.NullIsNo: ("what_is_not_said_is_taken_for_granted",),
    broken.KnownFieldsOnly: ("what_else_is_said_of_a_tool_does_no_harm",),
    broken.FirstPage: ("all_pages_are_asked_for", "pages_of_the_older_transport_are_all_asked_for"),
    broken.EndsAtAnEmptyPage: ("all_pages_are_asked_for",),
    broken.TidiesCursors: ("cursors_are_given_back_as_they_came",),
    broken.NullCursor: ("cursors_are_given_back_as_they_came",),
    broken.EveryPage: ("pages_that_never_end_are_not_all_asked_for",),
    broken.EveryTool: ("of_too_many_tools_the_first_are_told",),
    broken.SmallAnswers: ("a_long_list_in_one_answer_is_read",),
    broken.AsksAlways: ("a_server_without_tools_is_not_asked_for_any",),
    broken.WantsTools: ("a_server_may_have_no_tool_at_the_moment",),
    broken.JsonOnly: ("answers_in_streams_are_read",),
    broken.LineFeeds: ("answers_in_streams_are_read",),
    broken.WantsAKind: ("events_may_have_fields_of_all_kinds",),
    broken.DecodesPieces: ("characters_torn_between_pieces_are_whole",),
    broken.FirstOfTheId: ("other_messages_of_a_stream_are_no_answers",),
    broken.NamesOnly: ("what_the_server_is_and_speaks_is_told",),
    broken.NewestOnly: ("every_version_with_a_handshake_is_spoken",),
    broken.HandshakeOnly: ("the_version_without_a_handshake_is_spoken",),
    rude.OneNumber: ("it_breaks_no_rule_of_the_protocol",),
    rude.AcceptsOneKind: ("it_breaks_no_rule_of_the_protocol",),
    rude.NeverReady: ("it_is_ready_before_it_asks",),
    rude.EndsNameless: ("every_request_of_a_session_names_it",),
    rude.OwnVersion: ("every_request_of_a_session_names_the_version",),
    rude.LeavesSessions: ("the_session_is_ended",),
    rude.EndsOnlyWell: ("the_session_is_ended_after_a_failure",),
    rude.MustEnd: ("a_session_that_cannot_be_ended_is_no_failure",),
    rude.EndsAnyway: ("where_there_is_no_session_none_is_ended",),
    rude.Curious: ("it_asks_for_nothing_else",),
    rude.Boasts: ("it_claims_no_abilities",),
    rude.MakesThingsUp: ("what_a_server_wants_of_it_is_refused",),
    rude.NeverAnswers: ("what_a_server_wants_of_it_is_refused",),
    rude.SendsHeaders: ("it_adds_no_credentials",),
    rude.OwnPath: ("it_asks_at_the_servers_own_address",),
    rude.KeepsAStream: ("every_exchange_is_left",),
    rude.DeafToCancel: ("cancelling_leaves_every_exchange",),
    rude.GoesOnWhenCancelled: ("cancelling_leaves_every_exchange", "cancelling_leaves_the_stream_of_the_older_transport"),
    rude.LeavesATask: ("nothing_goes_on_afterwards",),
    rude.OneSession: ("discoveries_at_once_are_not_mixed",),
    rude.Remembers: ("each_discovery_is_a_new_one",),
    rude.OwnWords: ("a_status_is_said", "what_the_server_says_is_passed_on", "why_there_is_no_exchange_is_passed_on"),
    rude.Nameless: ("an_error_names_the_server",),
    rude.TakesFailureForNothing: (
        "a_status_within_a_session_is_a_failure",
        "a_result_of_another_shape_is_a_failure",
        "an_answer_that_breaks_off_is_a_failure",
        "a_stream_that_ends_without_an_answer_is_a_failure",
    ),
    rude.LetsValuesThrough: ("garbage_is_a_failure", "garbage_in_a_stream_is_a_failure"),
    rude.LetsRecursionThrough: ("garbage_is_a_failure",),
    rude.ReadsAnyKind: ("an_answer_of_another_kind_is_a_failure",),
    rude.TakesAnyId: ("an_answer_to_something_else_is_none",),
    rude.Patient: ("a_request_without_an_answer_fails_in_its_time",),
    rude.AnyName: ("a_bad_tool_is_an_error_or_left_out",),
    rude.AnyVersion: ("a_version_that_nobody_knows_is_a_failure",),
    rude.Follows: ("redirects_are_not_followed",),
    rude.BearsAGrudge: ("it_works_again_after_a_failure",),
    rude.ShowsTheAddress: ("no_error_and_no_log_shows_a_credential",),
    rude.ShowsHeaders: ("no_error_and_no_log_shows_a_credential",),
    rude.LogsTheAddress: ("no_error_and_no_log_shows_a_credential",),
    rude.PathsOnly: ("the_older_transport_is_spoken",),
    rude.AnyOrigin: ("messages_of_the_older_transport_stay_with_the_server",),
    rude.KeepsTheStream: ("the_stream_of_the_older_transport_is_left",),
    rude.EndOfStreamIsNothing: ("a_stream_of_the_older_transport_that_ends_is_a_failure",),
    rude.StatusOfAStreamUnseen: ("failures_of_the_older_transport_are_errors",),
    rude.Unfinished: ("the_entry_point_names_the_class",),  # type: ignore[type-abstract]  # which is what is wrong with it
}
"""How a client is broken, and the checks that find it."""
ADAPTERS = {
    "elsewhere": ("plain.serve.__defaults__ = ('/',)", "its_adapter_serves_a_program"),
    "sockets-only": ("plain.asyncio.start_server = None", "its_adapter_serves_a_program"),
    "once": ("plain.asyncio.StreamReader.at_eof = lambda self: False", "its_adapter_serves_a_program_behind_two_pipes"),
    "wants-pipes": ("plain.os.mkfifo = lambda *_: None", "its_adapter_serves_a_program_behind_two_pipes"),
    "waits": (
        """
import subprocess
def started(words):
    subprocess.Popen(words, stdout=-1).stdout.readline()
plain.started = started""",
        "its_adapter_listens_before_the_program_speaks",
    ),
    "makes-up": (
        """
import json
SAID = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "nothing", "version": "0"}}
async def answer(program, verb, body):
    return "200 OK", json.dumps({"jsonrpc": "2.0", "id": json.loads(body or b"{}").get("id"), "result": SAID}).encode()
plain.answer = answer""",
        "a_program_that_is_none_is_an_error",
    ),
}
"""The same of adapters."""
BITTEN = (
    AssertionError,
    SympoziumError,
    OSError,
    TypeError,
    ValueError,
    RecursionError,
    pytest.fail.Exception,
)


class Suite(McpClientContract):
    __test__ = False


class NoSuchGap(Suite):
    client_class = SoundClient
    known_gaps: ClassVar[Mapping[str, str]] = {"test_nothing": "no such check"}


@pytest.mark.parametrize(
    ("client_class", "check"),
    [pytest.param(each, check, id=f"{each.__name__}-{check}") for each, checks in BREAKS.items() for check in checks],
)
async def test_a_broken_client_fails(
    client_class: type[McpClient], check: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Suite, "client_class", client_class, raising=False)
    assert await bitten(check, caplog), "no case of the check finds it"


@pytest.mark.parametrize("way", ADAPTERS)
async def test_a_broken_adapter_fails(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, check = ADAPTERS[way]
    module = f"import sys\nfrom tests.testing import plain_adapter as plain\n{lines}\nplain.main(sys.argv[1:])\n"
    (tmp_path / "an_adapter_of_a_test.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(adapter_checks, "START_SECONDS", HURRY)
    monkeypatch.setattr(adapter_checks.until, "__defaults__", (HURRY,))
    made = type("Made", (SoundClient,), {"adapter": "an_adapter_of_a_test"})
    monkeypatch.setattr(Suite, "client_class", made, raising=False)
    assert await bitten(check, caplog, adapter_checks.with_programs(tmp_path)), "no case of the check finds it"


@pytest.mark.parametrize("way", MODULES)
async def test_a_module_that_does_more_than_it_should_fails(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, check = MODULES[way]
    (tmp_path / "a_client_of_a_test.py").write_text(f"{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    made = type("Made", (SoundClient,), {"__module__": "a_client_of_a_test"})
    monkeypatch.setattr(Suite, "client_class", made, raising=False)
    assert await bitten(check, caplog)
    assert "a_client_of_a_test" not in sys.modules


async def test_a_gap_of_no_check_fails() -> None:
    with pytest.raises(AssertionError, match="test_nothing"):
        await NoSuchGap().test_declarations_name_what_there_is()


def test_every_check_has_a_client_that_fails_it() -> None:
    checks = {name.removeprefix("test_") for name in dir(McpClientContract) if name.startswith("test_")}
    found = {check for each in BREAKS.values() for check in each}
    found |= {check for _, check in (*ADAPTERS.values(), *MODULES.values())} | {"declarations_name_what_there_is"}
    assert sorted(checks ^ found) == []
    assert len(checks) >= 25


async def bitten(check: str, caplog: pytest.LogCaptureFixture, folder: Path | None = None) -> bool:
    """Whether any case of a check fails."""
    method = getattr(Suite(), f"test_{check}")
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*(list(mark.args[1]) for mark in marks)):
        given = dict(zip((mark.args[0] for mark in marks), values, strict=True))
        try:
            if "case" in inspect.signature(method).parameters:
                given["case"] = McpCase(Suite.client_class(), caplog, seconds=HURRY, timeout=1, start_seconds=HURRY)
            await method(**given, **({} if folder is None else {"folder": folder}))
        except BITTEN:
            return True
    return False
