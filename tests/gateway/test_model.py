"""Model calls through the gateway: streamed, on record before they end, replayed and never asked twice."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from sympozium_core.contracts.plan import Limits
from sympozium_core.contracts.provider import ProviderError
from sympozium_core.errors import Permanent, SympoziumError, Temporary
from sympozium_core.gateway.target import ModelTarget


def content(frames):
    return "".join(f["chunk"]["choices"][0]["delta"].get("content") or "" for f in frames if "chunk" in f)


async def test_chunks_are_passed_on_and_the_answer_is_on_record(side):
    await side.gateway()
    side.provider.answers = [side.text("Hel", "lo")]
    frames = await side.ask(side.body(temperature=0.5, metadata={"x": 1}))
    assert content(frames) == "Hello"
    assert frames[-1] == {"usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}
    assert [f["chunk"]["choices"][0]["finish_reason"] for f in frames[:-1]] == [None, None, "stop"]
    asked = side.provider.requests[0]
    assert asked.body == {"model": "real-model", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
    assert 0 < asked.timeout <= 30
    request, answer = await side.entries()
    assert (request["type"], request["base"], request["messages"]) == ("model.request", 0, [{"role": "user", "content": "hi"}])
    assert answer["call"] == request["call"]
    assert answer["message"] == {"role": "assistant", "content": "Hello"}
    assert answer["usage"] == {"promptTokens": 11, "completionTokens": 7, "totalTokens": 18}
    assert (answer["finishReason"], answer["replayed"]) == ("stop", False)


async def test_the_first_chunk_does_not_wait_for_the_last_and_the_last_waits_for_the_journal(side):
    await side.gateway()
    more = asyncio.Event()
    seen: list[Any] = []
    side.provider.answers = [[side.chunk({"content": "a"}), more, *side.text("b")]]

    async def read():
        async with aclosing(side.call(side.body())) as items:
            async for item in items:
                types = [entry["type"] for entry in await side.entries()]
                seen.extend((frame, types) for frame in json.loads(item))

    reading = asyncio.create_task(read())
    await side.until(lambda: len(seen) == 1)
    assert seen[0][1] == ["model.request"]
    more.set()
    await reading
    final = next(types for frame, types in seen if frame.get("chunk", {}).get("choices", [{}])[0].get("finish_reason"))
    assert final == ["model.request", "model.answer"]


async def test_without_streaming_the_whole_completion_comes(side):
    await side.gateway()
    side.provider.answers = [side.text("Hello")]
    (frame,) = await side.ask(side.body(stream=False))
    message = frame["completion"]["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hello"}
    assert frame["completion"]["usage"]["total_tokens"] == 18


async def test_tokens_are_estimated_where_the_provider_counts_none(side):
    await side.gateway()
    side.provider.answers = [side.text("12345678", usage=False)]
    await side.ask(side.body())
    used = (await side.entries("model.answer"))[0]["usage"]
    assert used["estimated"] is True
    assert used["completionTokens"] == 2
    assert used["promptTokens"] >= 10


async def test_an_answered_call_is_never_asked_again(side):
    await side.gateway()
    side.provider.answers = [side.text("once")]
    first = await side.ask(side.body())
    again = await side.ask(side.body())
    assert content(first) == content(again) == "once"
    assert again[-1] == first[-1]
    assert len(side.provider.requests) == 1
    assert len(await side.entries()) == 2


async def test_equal_bodies_with_another_ordinal_are_other_calls(side):
    await side.gateway()
    side.provider.answers = [side.text("one"), side.text("two")]
    assert content(await side.ask(side.body(), ordinal=0)) == "one"
    assert content(await side.ask(side.body(), ordinal=1)) == "two"
    assert content(await side.ask(side.body(), ordinal=0)) == "one"


async def test_a_later_attempt_on_another_gateway_gets_the_recorded_answer(side):
    first = await side.gateway()
    call = {"index": 0, "id": "c1", "function": {"name": "execute_command", "arguments": '{"command":"x"}'}}
    side.provider.answers = [[side.chunk({"tool_calls": [call]}), side.chunk({}, "tool_calls")]]
    await side.ask(side.body())
    await first.close()
    await side.gateway()
    side.target = type(side.target)("scripted", side.target.endpoint, 2, side.target.deadline)
    frames = await side.ask(side.body())
    assert frames[0]["chunk"]["choices"][0]["delta"]["tool_calls"] == [{**call, "type": "function"}]
    assert len(side.provider.requests) == 1
    replayed = (await side.entries("model.answer"))[-1]
    assert (replayed["replayed"], replayed["attempt"], replayed["usage"]["totalTokens"]) == (True, 2, 0)


async def test_messages_are_journalled_once_however_long_the_conversation(side):
    await side.gateway()
    user, then = {"role": "user", "content": "x" * 100}, {"role": "user", "content": "more"}
    side.provider.answers = [side.text("a"), side.text("b"), side.text("c")]
    await side.ask(side.body(user))
    answered = {"role": "assistant", "content": "a"}
    await side.ask(side.body(user, answered, then))
    await side.ask(side.body({"role": "user", "content": "compacted"}))
    requests = await side.entries("model.request")
    assert [(entry["base"], entry["messages"]) for entry in requests] == [
        (0, [user]),
        (2, [then]),
        (0, [{"role": "user", "content": "compacted"}]),
    ]


async def test_a_pod_of_an_earlier_attempt_is_refused(side):
    await side.gateway()
    with pytest.raises(Permanent, match="attempt 0 of the run is over"):
        await side.ask(side.body(), attempt=0)
    assert not side.provider.requests


async def test_what_resolve_refuses_reaches_the_caller_with_its_reason(side):
    await side.gateway()
    side.refuse = Permanent("Secret 'openai' is missing", reason="ModelError")
    with pytest.raises(Permanent, match="Secret 'openai' is missing") as caught:
        await side.ask(side.body())
    assert caught.value.reason == "ModelError"


@pytest.mark.parametrize("failure", ["auth", "refused", "garbage"])
async def test_a_failure_that_will_not_pass_ends_the_call_at_once(side, failure):
    await side.gateway()
    side.provider.answers = [[ProviderError(failure, "no")]]
    with pytest.raises(Permanent, match=f"{failure}: no") as caught:
        await side.ask(side.body())
    assert caught.value.reason == "ModelError"
    error = (await side.entries("model.error"))[0]
    assert (error["failure"], error["message"]) == (failure, "no")


async def test_a_failure_that_may_pass_is_tried_again(side):
    await side.gateway()
    busy = ProviderError("rate_limited", "slow down", retry_after=0.05)
    side.provider.answers = [[busy], [ProviderError("unavailable", "x")], side.text("there")]
    assert content(await side.ask(side.body())) == "there"
    assert len(side.provider.requests) == 3
    assert not await side.entries("model.error")


async def test_nothing_is_tried_again_once_a_chunk_has_been_passed_on(side):
    await side.gateway()
    side.provider.answers = [[side.chunk({"content": "a"}), ProviderError("unavailable", "gone")], side.text("b")]
    with pytest.raises(Temporary, match="unavailable: gone"):
        await side.ask(side.body())
    assert len(side.provider.requests) == 1
    # Whoever has half of an answer is told that asking again may bring the whole.
    assert content(await side.ask(side.body())) == "b"


async def test_a_wait_that_is_longer_than_the_run_is_not_waited(side):
    await side.gateway()
    side.provider.answers = [[ProviderError("rate_limited", "tomorrow", retry_after=86400.0)]]
    with pytest.raises(Permanent, match="rate_limited: tomorrow"):
        await side.ask(side.body())


async def test_what_would_hardly_have_time_is_not_begun_again(side):
    """The failure is told while the run can still hear it; at its deadline nobody listens any more."""
    await side.gateway()
    side.target = ModelTarget("scripted", side.target.endpoint, 1, time.time() + 0.6)
    side.provider.answers = [[ProviderError("unavailable", "nobody listens")], side.text("late")]
    with pytest.raises(Permanent, match="unavailable: nobody listens"):
        await side.ask(side.body())
    assert len(side.provider.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        [{"choices": "x"}],
        ["text"],
        [{"choices": [{"index": 1, "delta": {}}]}],
        [{"choices": [{"index": 0, "delta": {"content": 5}}]}],
        [{"choices": [{"index": 0, "delta": {"content": "never finished"}}]}],
        [{"choices": [{"index": 0, "delta": {"content": "x" * 5_000_000}}]}],
        [{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": -1}]}}]}],
        [ValueError("a bug in the driver")],
    ],
)
async def test_garbage_is_a_typed_end(side, answer):
    await side.gateway()
    side.provider.answers = [answer]
    with pytest.raises(Permanent, match="garbage") as caught:
        await side.ask(side.body(stream=False))
    assert caught.value.reason == "ModelError"
    assert (await side.entries("model.error"))[0]["failure"] == "garbage"


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"messages": []},
        {"messages": "x"},
        {"messages": [{"role": "root", "content": "x"}]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": 3}]},
        {"messages": [{"role": "user", "content": "x", "tool_calls": []}]},
        {"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "web_search"}]},
        {"messages": [{"role": "user", "content": "x"}], "temperature": "hot"},
        {"messages": [{"role": "user", "content": "x"}] * 5000},
    ],
)
async def test_a_body_that_is_none_never_reaches_a_vendor(side, body):
    await side.gateway()
    with pytest.raises(SympoziumError) as caught:
        await side.ask(body)
    assert caught.value.reason == "ModelError"
    assert not side.provider.requests
    assert not await side.entries()


async def test_a_caller_that_leaves_stops_the_provider(side):
    await side.gateway()
    side.provider.answers = [[side.chunk({"content": "a"}), asyncio.Event()]]
    asking = asyncio.create_task(side.ask(side.body()))
    await side.until(lambda: side.provider.requests)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await side.until(lambda: side.provider.ended == 1)


async def test_of_two_gateways_one_answer_counts(side):
    await side.gateway()
    await side.gateway()
    go_on = asyncio.Event()
    side.provider.answers = [[go_on, *side.text("first")], [go_on, *side.text("second")]]
    both = [asyncio.create_task(side.ask(side.body())) for _ in range(2)]
    await side.until(lambda: len(side.provider.requests) == 2)
    go_on.set()
    frames = await asyncio.gather(*both, return_exceptions=True)
    answers = await side.entries("model.answer")
    assert len(answers) == 1
    recorded = answers[0]["message"]["content"]
    whole = [content(found) for found in frames if not isinstance(found, BaseException)]
    assert whole
    assert set(whole) == {recorded}
    assert content(await side.ask(side.body())) == recorded


async def test_a_gateway_that_dies_between_journal_and_last_chunk_leaves_an_answer_for_the_next(side):
    """The caller grants one frame at a time, so the gateway has journalled its answer and still holds the last chunk when it ends."""
    dying = await side.gateway()
    side.provider.answers = [side.text("a", "b", "c", "d", "e", "f")]
    got = []

    async def read_until_it_dies():
        async with aclosing(side.call(side.body(), window=1)) as items:
            async for item in items:
                got.extend(json.loads(item))
                if len(got) == 6:
                    while not await side.entries("model.answer"):  # noqa: ASYNC110
                        await asyncio.sleep(0.005)
                    await dying.close()

    with pytest.raises(SympoziumError):
        await asyncio.wait_for(read_until_it_dies(), 10)
    assert not any(frame.get("usage") for frame in got)
    await side.gateway()
    assert content(await side.ask(side.body())) == "abcdef"
    assert len(side.provider.requests) == 1


async def test_replay_tells_the_conversation_the_results_and_what_nobody_knows(side):
    await side.gateway()
    user = {"role": "user", "content": "hi"}
    call = {"index": 0, "id": "c1", "function": {"name": "t", "arguments": "{}"}}
    side.provider.answers = [[side.chunk({"tool_calls": [call]}), side.chunk({}, "tool_calls")], [ProviderError("auth", "no")]]
    await side.ask(side.body(user))
    with pytest.raises(Permanent):
        await side.ask(side.body(user, {"role": "user", "content": "not answered"}))
    await side.pod(
        {"type": "tool.requested", "call": "c1", "tool": "t", "server": "s", "arguments": {}},
        {"type": "tool.requested", "call": "c2", "tool": "t", "server": "s", "arguments": {}},
        {"type": "tool.result", "call": "c1", "tool": "t", "server": "s", "status": "ok", "content": "x" * 700_000},
        {"type": "tool.denied", "call": "c3", "tool": "t", "because": "policy"},
    )
    told = await side.request("replay", b'{"attempt": 2}')
    assert told["messages"] == [user, {"role": "assistant", "content": None, "tool_calls": [_without_index(call)]}]
    assert told["toolResults"]["c1"] == {"status": "ok", "content": "x" * 700_000}
    assert told["toolResults"]["c3"] == {"status": "denied", "content": "policy"}
    assert told["unknown"] == ["c2"]


def _without_index(call):
    return {"id": call["id"], "type": "function", "function": call["function"]}


async def test_artifacts_are_kept_by_name_within_bounds(side):
    await side.gateway()
    data = bytes(range(256)) * 5000
    head = json.dumps({"name": "c1.out.bin", "size": len(data)}).encode()
    assert await side.request("artifact", head + b"\n" + data) == {"name": "c1.out.bin", "size": len(data)}
    assert b"".join([part async for part in side.bus.get_object("run/run-uid-1/c1.out.bin")]) == data
    for bad in (b'{"name":"../x","size":1}\nx', b'{"name":"x","size":2}\nx', b"nonsense", b'{"name":"a/b","size":1}\nx'):
        with pytest.raises(Permanent):
            await side.request("artifact", bad)


def limited(side: Any, **limits: int) -> None:
    side.target = replace(side.target, limits=replace(Limits(), **limits))


async def test_a_run_that_has_used_its_tokens_gets_no_further_answer(side):
    await side.gateway()
    limited(side, max_tokens=30)
    side.provider.answers = [side.text("one"), side.text("two"), side.text("three")]
    for number in range(2):
        await side.ask(side.body({"role": "user", "content": str(number)}))
    with pytest.raises(Permanent, match=r"has used 36 tokens, of 30 that it may \(limits.maxTokens\)") as refused:
        await side.ask(side.body({"role": "user", "content": "2"}))
    assert refused.value.reason == "BudgetExceeded"
    assert len(side.provider.requests) == 2, "nobody was asked"
    [error] = await side.entries("model.error")
    assert (error["failure"], error["message"]) == ("budget", str(refused.value))
    assert content(await side.ask(side.body({"role": "user", "content": "1"}))) == "two", "what is paid for is given again"


async def test_limits_hold_across_gateways_and_attempts(side):
    await side.gateway()
    limited(side, max_turns=1)
    side.provider.answers = [side.text("one"), side.text("two")]
    await side.ask(side.body())
    await side.gateways.pop().close()
    await side.gateway()
    side.target = replace(side.target, attempt=2)
    with pytest.raises(Permanent, match=r"answered 1 times, of 1 that it may \(limits.maxTurns\)"):
        await side.ask(side.body({"role": "user", "content": "more"}))
    assert len(side.provider.requests) == 1
