"""The strict server is faithful: the vendor's own client library works with it, and raises its own errors for the server's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from sympozium_core.testing.provider_case import tool
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Fault, ToolCall

if TYPE_CHECKING:
    import openai

USER: Any = [{"role": "user", "content": "What is in the folder?"}]


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def client(server: OpenAIServer) -> AsyncIterator[openai.AsyncOpenAI]:
    openai = pytest.importorskip("openai", reason="the vendor's client library is in the extra `test`")
    made = openai.AsyncOpenAI(api_key=server.key, base_url=server.base_url, max_retries=0, timeout=5.0)
    yield made
    await made.close()


async def test_streamed_tool_call_and_result(server: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    server.say(Answer("Let me look.", tool_calls=(ToolCall("look", '{"path": "/"}'),)), Answer("Two files 🙂."))
    tools: Any = [tool("look", path="string")]
    tools[0]["function"]["strict"] = True  # the client's stream helper wants it
    async with client.chat.completions.stream(model=server.model, messages=USER, tools=tools) as stream:
        first = (await stream.get_final_completion()).choices[0]
    assert first.finish_reason == "tool_calls"
    assert first.message.content == "Let me look."
    assert first.message.tool_calls
    call = first.message.tool_calls[0]
    assert call.function.arguments == '{"path": "/"}'
    function = {"name": call.function.name, "arguments": call.function.arguments}
    called = {"id": call.id, "type": "function", "function": function}
    sent = {"role": "assistant", "content": first.message.content, "tool_calls": [called]}
    messages: Any = [*USER, sent, {"role": "tool", "tool_call_id": call.id, "content": "a, b"}]
    answer = await client.chat.completions.create(model=server.model, messages=messages, tools=tools)
    assert answer.choices[0].message.content == "Two files 🙂."
    assert not server.refusals


async def test_usage_in_the_stream(server: OpenAIServer, client: openai.AsyncOpenAI) -> None:
    server.say(Answer("a b c", prompt_tokens=5, completion_tokens=3))
    stream = await client.chat.completions.create(
        model=server.model, messages=USER, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 8
    assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
    ],
)
async def test_errors_are_the_vendors(server: OpenAIServer, client: openai.AsyncOpenAI, status: int, error: str) -> None:
    import openai

    server.say(Answer(fault=Fault("status", status=status)))
    with pytest.raises(getattr(openai, error)) as raised:
        await client.chat.completions.create(model=server.model, messages=USER)
    assert raised.value.body["message"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": "hot"}, "Invalid type for 'temperature'"),
        ({"extra_body": {"surprise": 1}}, "Unrecognized request argument"),
        ({"tools": []}, "empty array"),
        (
            {"messages": [*USER, {"role": "tool", "tool_call_id": "x", "content": "y"}]},
            "must be a response to a preceeding message",
        ),
        ({"messages": []}, "empty array"),
        ({"model": "gpt-0"}, "does not exist"),
    ],
)
async def test_bad_requests_are_refused(server: OpenAIServer, client: openai.AsyncOpenAI, change: Any, words: str) -> None:
    import openai

    server.say(Answer("never"))
    with pytest.raises(openai.APIStatusError, match=words):
        await client.chat.completions.create(**{"model": server.model, "messages": USER, **change})
