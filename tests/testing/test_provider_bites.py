"""The suite of providers passes a sound one; of one that is broken in one way, the check for that fails, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import aiohttp
import pytest
from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.contracts.provider import ProviderError
from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.provider_case import provider_case
from sympozium_core.testing.servers.openai import OpenAIServer
from tests.testing import broken_providers as broken

AT_ONCE = 4
"""Checks, so that those that wait for a time to pass wait together."""
FAILS = (AssertionError, ProviderError, aiohttp.ClientError, TimeoutError, LookupError, ValueError, pytest.fail.Exception)

BREAKS: dict[str, tuple[broken.Broken, str]] = {
    "call-of-nothing": (broken.changed_deltas(broken.empty_call), "plain_answer"),
    "joins-pieces": (broken.JoinsPieces, "pieces_come_in_order_and_not_all_at_once"),
    "buffers": (broken.Buffers, "chunks_come_as_they_are_sent"),
    "ascii-text": (broken.changed_deltas(broken.ascii_content), "characters_torn_between_packets_are_whole"),
    "cuts-answers": (broken.CutsLongAnswers, "long_answer"),
    "one-or-the-other": (broken.changed_deltas(broken.one_or_the_other), "answer_in_one_piece_although_streaming_was_asked"),
    "stops-for-tools": (broken.changed_deltas(broken.stops_for_tools), "single_tool_call"),
    "same-arguments": (broken.changed_arguments(broken.same_arguments), "parallel_tool_calls"),
    "ascii-arguments": (broken.changed_arguments(lambda text, index: broken.ascii_only(text)), "arguments_survive_whatever_is_in_them"),
    "list-of-arguments": (broken.changed_arguments(lambda text, index: "[]" if text == "{}" else text), "empty_arguments"),
    "tools-or-text": (broken.ToolsOrText, "text_and_tool_call_together"),
    "empties-results": (broken.changed_requests(broken.empties_one_result), "tool_result_goes_back"),
    "mixes-results": (broken.changed_requests(broken.mixes_results), "parallel_tool_results_go_back"),
    "adds-up-wrong": (broken.changed_chunks(broken.adds_up_wrong), "usage_is_reported_last"),
    "never-long": (broken.changed_deltas(broken.never_long), "finish_reason"),
    "drops-system": (broken.changed_requests(broken.drops_system), "system_prompt_reaches_the_server"),
    "drops-parameters": (broken.changed_requests(lambda body: body.pop("temperature", None)), "parameters_are_passed_on"),
    "tells-the-model": (broken.changed_requests(lambda body: body.update(user=body["model"])), "the_model_is_the_endpoints"),
    "drops-headers": (broken.changed_endpoints(lambda endpoint: replace(endpoint, headers={})), "extra_headers_are_sent"),
    "adds-to-the-request": (broken.AddsToTheRequest, "the_request_is_left_alone"),
    "cuts-questions": (broken.changed_requests(broken.cuts_long_questions), "large_request"),
    "shares-state": (broken.SharesState, "calls_at_once_are_not_mixed"),
    "own-key": (broken.OwnKey, "wrong_key"),
    "keyless": (broken.AsksWithoutAKey, "missing_key_names_where_it_was_looked_for"),
    "mends-keys": (broken.MendsKeys, "key_that_cannot_be_one"),
    "forbidden-is-refused": (broken.another_failure("refused", lambda error: error.status == 403), "not_allowed"),
    "knows-models": (broken.KnowsModels, "wrong_model"),
    "refused-is-unavailable": (broken.another_failure("unavailable", lambda error: error.status == 422), "refused"),
    "forgets-when": (broken.changed_errors(lambda error, _: ProviderError(error.failure, error.message, status=error.status)), "rate_limited"),
    "bad-gateway-is-refused": (broken.another_failure("refused", lambda error: error.status == 502), "unavailable"),
    "own-words": (broken.changed_errors(lambda error, _: ProviderError(error.failure, "it failed", status=error.status, retry_after=error.retry_after) if error.status == 500 else None), "vendors_words_are_passed_on"),
    "away-is-refused": (broken.another_failure("refused", lambda error: "cannot connect" in error.message), "connection_refused"),
    "blanks-in-urls": (broken.TriesUrlsWithBlanks, "base_url_that_is_none"),
    "takes-its-time": (broken.TakesItsTime, "out_of_time"),
    "late-is-unavailable": (broken.another_failure("unavailable", lambda error: error.failure == "timeout"), "out_of_time"),
    "cut-is-refused": (broken.another_failure("refused", lambda error: "broke the connection" in error.message), "connection_cut"),
    "early-end-is-unavailable": (broken.another_failure("unavailable", lambda error: "finish reason" in error.message), "end_without_finish"),
    "nonsense-is-unavailable": (broken.another_failure("unavailable", lambda error: "not text" in error.message), "garbage"),
    "long-line-is-refused": (broken.another_failure("refused", lambda error: "a line of more" in error.message), "line_without_end"),
    "page-is-unavailable": (broken.another_failure("unavailable", lambda error: "web page" in error.message), "web_page"),
    "no-http-is-refused": (broken.another_failure("refused", lambda error: "not speak HTTP" in error.message), "not_http"),
    "error-is-garbage": (broken.another_failure("garbage", lambda error: "broke off" in error.message), "error_in_the_stream"),
    "redirect-is-unavailable": (broken.another_failure("unavailable", lambda error: 300 <= error.status < 400), "redirect_to_another_host_is_not_followed"),
    "follows": (broken.FollowsRedirects, "redirect_to_another_host_is_not_followed"),
    "deaf-to-cancel": (broken.PumpsOnWhenCancelled, "cancelling_closes_the_connection"),
    "reads-on": (broken.Pumps, "closing_the_answer_closes_the_connection"),
    "gives-up": (broken.GivesUp, "works_again_after_a_failure"),
    "shows-the-key": (broken.changed_errors(broken.shows_key), "no_error_shows_the_key"),
}  # fmt: skip
"""How a provider is broken, and the check that finds it."""


def checks() -> Iterator[tuple[str, tuple[object, ...]]]:
    """Each check, with each of its parameters."""
    for name in dir(ProviderContract):
        if name.startswith("test_"):
            marks = [mark for mark in getattr(getattr(ProviderContract, name), "pytestmark", []) if mark.name == "parametrize"]
            for value in marks[0].args[1] if marks else [None]:
                yield name, (value,) if marks else ()


async def failing(provider: broken.Broken) -> set[str]:
    """The checks that a provider does not pass."""
    turns, found = asyncio.Semaphore(AT_ONCE), set()

    async def one(name: str, values: tuple[object, ...]) -> None:
        async with turns, provider_case(provider, OpenAIServer) as case:
            try:
                await getattr(ProviderContract(), name)(case, *values)
            except FAILS:
                found.add(name.removeprefix("test_"))

    await asyncio.gather(*(one(name, values) for name, values in checks()))
    return found


async def test_a_sound_provider_passes() -> None:
    assert await failing(OpenAIProvider) == set()


@pytest.mark.parametrize("way", BREAKS)
async def test_of_a_broken_provider_the_check_for_that_fails_and_no_other(way: str) -> None:
    provider, check = BREAKS[way]
    assert await failing(provider) == {check}


def test_every_check_has_a_provider_that_fails_it() -> None:
    assert sorted({name.removeprefix("test_") for name, _ in checks()}) == sorted({check for _, check in BREAKS.values()})
