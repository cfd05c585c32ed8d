from __future__ import annotations

from typing import Any

import pytest
from sympozium_provider_ollama.answers import LineReader
from sympozium_provider_ollama.provider import OllamaProvider
from sympozium_provider_ollama.request import to_ollama
from sympozium_provider_openai.failures import Redactor

from sympozium_core.contracts.provider import ProviderError
from sympozium_core.testing.provider_case import USER, provider_case, tool
from sympozium_core.testing.servers.host import Refusal, Seen
from sympozium_core.testing.servers.ollama import OllamaServer
from sympozium_core.testing.servers.script import Answer


def test_messages() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"path": "/"}'}}
    broken = {"id": "c2", "type": "function", "function": {"name": "look", "arguments": '{"pa'}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    body = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}, picture]},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call, broken]},
            {"role": "tool", "tool_call_id": "c1", "content": "a"},
        ]
    }
    assert to_ollama(body, "m")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one\ntwo", "images": ["aGk="]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "hm",
            "tool_calls": [
                {"id": "c1", "function": {"name": "look", "arguments": {"path": "/"}}},
                {"id": "c2", "function": {"name": "look", "arguments": {"arguments": '{"pa'}}},
            ],
        },
        {"role": "tool", "content": "a", "tool_name": "look", "tool_call_id": "c1"},
    ]


def test_parameters() -> None:
    body = {
        "messages": [],
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "stop": "END",
        "seed": 1,
        "reasoning_effort": "none",
        "n": 1,
    }
    sent = to_ollama({**body, "response_format": {"type": "json_object"}, "stream_options": {"include_usage": True}}, "m")
    assert sent == {
        "model": "m",
        "stream": True,
        "messages": [],
        "options": {"temperature": 0.5, "num_predict": 9, "seed": 1, "stop": ["END"]},
        "format": "json",
        "think": False,
    }


def test_tool_choice_none_offers_no_tools() -> None:
    assert "tools" not in to_ollama({"messages": [], "tools": [tool("look")], "tool_choice": "none"}, "m")


@pytest.mark.parametrize(
    "field",
    [
        {"tool_choice": "required"},
        {"n": 2},
        {"logit_bias": {"1": 1}},
        {"parallel_tool_calls": False},
        {"tool_choice": {"type": "function"}},
    ],
)
def test_what_ollama_cannot_do_is_refused_by_name(field: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=next(iter(field))) as raised:
        to_ollama({"messages": [], **field}, "m")
    assert raised.value.failure == "refused"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "tool", "tool_call_id": "nobody", "content": "x"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
    ],
)
def test_messages_that_cannot_be_said(message: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match=r"messages\[0\]"):
        to_ollama({"messages": [message]}, "m")


async def test_thinking_arrives_as_reasoning() -> None:
    async with provider_case(OllamaProvider, OllamaServer) as case:
        case.server.say(Answer("Yes.", reasoning="Let me think."))
        answer = await case.ask()
        assert any(c["delta"].get("reasoning_content") == "Let me think." for chunk in answer.chunks for c in chunk["choices"])
        assert answer.text == "Yes."


async def test_a_missing_model_says_how_to_get_it() -> None:
    async with provider_case(OllamaProvider, OllamaServer) as case:
        error = await case.failure(endpoint=case.endpoint_with(model="qwen3:8b"))
        assert (error.failure, error.hint) == ("refused", "download the model: ollama pull qwen3:8b")


class NoTools(OllamaServer):
    def check(self, seen: Seen) -> Refusal | None:
        return Refusal(400, {"error": f"registry.ollama.ai/library/{self.model} does not support tools"})


async def test_a_model_without_tools_says_so() -> None:
    async with provider_case(OllamaProvider, NoTools) as case:
        error = await case.failure(tools=[tool("look")])
        assert error.failure == "refused"
        assert "can call tools" in error.hint


async def test_a_key_in_the_secret_is_sent() -> None:
    async with provider_case(OllamaProvider, OllamaServer) as case:
        case.server.say(Answer("Yes."))
        await case.ask(USER, endpoint=case.endpoint_with(credentials={"OLLAMA_API_KEY": "cloud-key-123"}))
        assert case.last.headers["authorization"] == "Bearer cloud-key-123"


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b'{"done": true}', b'{"message": {"content": 1}}', b'{"message": {"tool_calls": [{}]}}', b"\xff",
     b'{"message": {"tool_calls": [{"function": {"name": "x", "arguments": "{}"}}]}}',
     b'{"message": {}, "done": true, "done_reason": "load"}', b'{"message": {}, "done": true, "eval_count": "7"}'],
)  # fmt: skip
def test_lines_that_are_garbage(line: bytes) -> None:
    reader = LineReader("m", "host", Redactor([]))
    with pytest.raises(ProviderError) as raised:
        list(reader.chunks(line))
    assert raised.value.failure == "garbage"
