"""Checks of `ProviderContract` on calls that succeed."""

from __future__ import annotations

import asyncio
import copy
import json
from contextlib import aclosing
from typing import Any

import pytest

from sympozium_core.testing.provider_case import USER, Collected, ProviderCase, tool
from sympozium_core.testing.servers.script import Answer, Conversation, Fault, Script, ToolCall

TORN = "Grüße, 世界! 🙂🏳️‍🌈 — “ok”\n\ttab and end"


class AnswerChecks:
    async def test_plain_answer(self, case: ProviderCase) -> None:
        case.server.say(Answer("Two files."))
        answer = await case.ask()
        assert answer.text == "Two files."
        assert answer.finish_reason == "stop"
        assert not answer.calls

    async def test_pieces_come_in_order_and_not_all_at_once(self, case: ProviderCase) -> None:
        text = " ".join(f"word{number}" for number in range(200))
        case.server.say(Answer(text))
        answer = await case.ask()
        assert answer.text == text
        assert len(answer.pieces) > 20, "the answer was not streamed"

    async def test_chunks_come_as_they_are_sent(self, case: ProviderCase) -> None:
        case.server.say(Answer("one two three four five six", fault=Fault("stall", after=5)))
        text = ""
        async with asyncio.timeout(5), aclosing(case.stream(timeout=30.0)) as chunks:
            async for chunk in chunks:
                text += "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
                if "two" in text:
                    break
        assert text.startswith("one two")

    async def test_characters_torn_between_packets_are_whole(self, case: ProviderCase) -> None:
        case.server.say(Answer(TORN, dribble=True))
        assert (await case.ask()).text == TORN

    async def test_long_answer(self, case: ProviderCase) -> None:
        text = "0123456789abcde " * 20_000
        case.server.say(Answer(text, whole=True))
        assert (await case.ask()).text == text

    async def test_answer_in_one_piece_although_streaming_was_asked(self, case: ProviderCase) -> None:
        case.server.say(Answer("Whole.", tool_calls=(ToolCall("look", '{"path": "/"}'),), whole=True))
        answer = await case.ask(tools=[tool("look", path="string")])
        assert answer.text == "Whole."
        assert json.loads(answer.calls[0]["arguments"]) == {"path": "/"}
        assert answer.finish_reason == "tool_calls"

    async def test_single_tool_call(self, case: ProviderCase) -> None:
        case.server.say(Answer(tool_calls=(ToolCall("look", '{"path": "/workspace"}'),)))
        answer = await case.ask(tools=[tool("look", path="string")])
        assert list(answer.calls) == [0]
        assert answer.calls[0]["name"] == "look"
        assert answer.calls[0]["id"], "a tool call has an id"
        assert json.loads(answer.calls[0]["arguments"]) == {"path": "/workspace"}
        assert answer.finish_reason == "tool_calls"

    async def test_parallel_tool_calls(self, case: ProviderCase) -> None:
        calls = tuple(ToolCall("look", json.dumps({"path": f"/{number}"})) for number in range(3))
        case.server.say(Answer(tool_calls=calls))
        answer = await case.ask(tools=[tool("look", path="string")])
        assert [json.loads(answer.calls[n]["arguments"])["path"] for n in range(3)] == ["/0", "/1", "/2"]
        assert len({call["id"] for call in answer.calls.values()}) == 3, "ids are distinct"

    async def test_arguments_survive_whatever_is_in_them(self, case: ProviderCase) -> None:
        arguments: dict[str, Any] = {"content": TORN * 50, "list": [1, -2.5, True, None, {"deep": []}], "quote": '"\\'}
        case.server.say(Answer(tool_calls=(ToolCall("write", json.dumps(arguments, ensure_ascii=False)),)))
        answer = await case.ask(tools=[tool("write", content="string")])
        assert json.loads(answer.calls[0]["arguments"]) == arguments

    async def test_empty_arguments(self, case: ProviderCase) -> None:
        case.server.say(Answer(tool_calls=(ToolCall("now", "{}"),)))
        answer = await case.ask(tools=[tool("now")])
        assert json.loads(answer.calls[0]["arguments"] or "{}") == {}

    async def test_text_and_tool_call_together(self, case: ProviderCase) -> None:
        case.server.say(Answer("Let me look.", tool_calls=(ToolCall("look", '{"path": "/"}'),)))
        answer = await case.ask(tools=[tool("look", path="string")])
        assert answer.text == "Let me look."
        assert answer.calls[0]["name"] == "look"

    async def test_tool_result_goes_back(self, case: ProviderCase) -> None:
        await self._round_trip(case, 1)

    async def test_parallel_tool_results_go_back(self, case: ProviderCase) -> None:
        await self._round_trip(case, 3)

    async def test_usage_is_reported_last(self, case: ProviderCase) -> None:
        case.server.say(Answer("Counted.", prompt_tokens=123, completion_tokens=45))
        answer = await case.ask()
        assert answer.usage is not None, "no chunk carried usage"
        counted = [answer.usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
        assert counted == [123, 45, 168]
        assert answer.chunks[-1].get("usage"), "the last chunk carries usage"

    @pytest.mark.parametrize("reason", ["stop", "length"])
    async def test_finish_reason(self, case: ProviderCase, reason: str) -> None:
        case.server.say(Answer("Enough.", finish_reason=reason))
        assert (await case.ask()).finish_reason == reason

    async def test_system_prompt_reaches_the_server(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        await case.ask([{"role": "system", "content": f"You are terse. {TORN}"}, *USER])
        assert case.last.body["messages"][0] == {"role": "system", "content": f"You are terse. {TORN}"}

    async def test_parameters_are_passed_on(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        await case.ask(temperature=0.25, max_tokens=77, stop=["END"])
        sent = json.dumps(case.last.body)
        assert "0.25" in sent
        assert "77" in sent
        assert "END" in sent

    async def test_the_model_is_the_endpoints(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        await case.ask()
        assert "asked-by-the-agent" not in json.dumps(case.last.body) + case.last.path

    async def test_extra_headers_are_sent(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        await case.ask(endpoint=case.endpoint_with(headers={"X-Team": "research", "x-trace": "abc"}))
        assert case.last.headers["x-team"] == "research"
        assert case.last.headers["x-trace"] == "abc"

    async def test_the_request_is_left_alone(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "t"}]},
        ]
        tools = [tool("look", path="string")]
        before = copy.deepcopy((messages, tools))
        await case.ask(messages, tools=tools)
        assert (messages, tools) == before

    async def test_large_request(self, case: ProviderCase) -> None:
        case.server.say(Answer("Yes."))
        content = "0123456789abcdef" * 64 * 1024
        await case.ask([{"role": "user", "content": content}])
        assert case.last.body["messages"][-1]["content"] == content

    async def test_calls_at_once_are_not_mixed(self, case: ProviderCase) -> None:
        case.server.script = Script(
            tuple(Conversation((Answer(f"Answer {n}. " * 50, delay=0.0005),), when=f"question {n}$") for n in range(8))
        )
        asked = [case.ask([{"role": "user", "content": f"question {n}"}]) for n in range(8)]
        answers: list[Collected] = await asyncio.gather(*asked)
        assert [answer.text for answer in answers] == [f"Answer {n}. " * 50 for n in range(8)]

    async def _round_trip(self, case: ProviderCase, count: int) -> None:
        """The strict server refuses the second request unless ids, order and shapes are what the vendor wants."""
        calls = tuple(ToolCall("look", json.dumps({"path": f"/{number}"})) for number in range(count))
        case.server.say(Answer(tool_calls=calls), Answer("All seen."))
        tools = [tool("look", path="string")]
        first = await case.ask(tools=tools)
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": f"result {number}"}
            for number, call in sorted(first.calls.items())
        ]
        second = await case.ask([*USER, first.message, *results], tools=tools)
        assert second.text == "All seen."
        sent = [message["content"] for message in case.last.body["messages"] if message["role"] == "tool"]
        assert sent == [f"result {number}" for number in range(count)]
