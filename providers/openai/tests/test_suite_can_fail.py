"""Each kind of check of the conformance suite fails for a provider that is broken in just that way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import aiohttp
import pytest
from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, ProviderError
from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.provider_case import provider_case
from sympozium_core.testing.servers.openai import OpenAIServer


class _Base(OpenAIProvider):
    def inner(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        return OpenAIProvider.chat(self, endpoint, request)


class Buffers(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        for chunk in [chunk async for chunk in self.inner(endpoint, request)]:
            yield chunk


class JoinsPieces(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        chunks = [chunk async for chunk in self.inner(endpoint, request)]
        text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
        yield {**chunks[0], "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}


class ChangesChunks(_Base):
    def change(self, chunk: Chunk) -> Chunk | None:
        raise NotImplementedError

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in self.inner(endpoint, request):
            changed = self.change(chunk)
            if changed is not None:
                yield changed


class DropsUsage(ChangesChunks):
    def change(self, chunk: Chunk) -> Chunk | None:
        return None if chunk.get("usage") else chunk


class DropsFinish(ChangesChunks):
    def change(self, chunk: Chunk) -> Chunk | None:
        for choice in chunk["choices"]:
            choice["finish_reason"] = None
        return chunk


class OnlyFirstCall(ChangesChunks):
    def change(self, chunk: Chunk) -> Chunk | None:
        for choice in chunk["choices"]:
            calls = choice["delta"].get("tool_calls") or []
            choice["delta"]["tool_calls"] = [call for call in calls if call["index"] == 0]
        return chunk


class LosesIds(ChangesChunks):
    def change(self, chunk: Chunk) -> Chunk | None:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls") or []:
                call.pop("id", None)
        return chunk


class AsciiOnly(ChangesChunks):
    def change(self, chunk: Chunk) -> Chunk | None:
        text = json.dumps(chunk, ensure_ascii=False).encode("ascii", "replace").decode()
        return cast("Chunk", json.loads(text))


class ChangesRequest(_Base):
    def request(self, body: dict[str, Any]) -> None:
        raise NotImplementedError

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        body = json.loads(json.dumps(dict(request.body)))
        self.request(body)
        async for chunk in self.inner(endpoint, replace(request, body=body)):
            yield chunk


class DropsSystem(ChangesRequest):
    def request(self, body: dict[str, Any]) -> None:
        body["messages"] = [m for m in body["messages"] if m["role"] != "system"]


class DropsParameters(ChangesRequest):
    def request(self, body: dict[str, Any]) -> None:
        body.pop("temperature", None)


class DropsToolResults(ChangesRequest):
    def request(self, body: dict[str, Any]) -> None:
        body["messages"] = [m for m in body["messages"] if m["role"] != "tool"]


class MutatesRequest(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        request.body["messages"].append({"role": "user", "content": "Be quick."})
        async for chunk in self.inner(endpoint, request):
            yield chunk


class KeepsAgentsModel(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in self.inner(replace(endpoint, model=request.body["model"]), request):
            yield chunk


class DropsHeaders(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in self.inner(replace(endpoint, headers={}), request):
            yield chunk


class SharesState(_Base):
    """Keeps the request on itself, as a careless author would."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        self.current = request
        await asyncio.sleep(0)
        async for chunk in self.inner(endpoint, self.current):
            yield chunk


class ChangesErrors(_Base):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        raise NotImplementedError

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        try:
            async for chunk in self.inner(endpoint, request):
                yield chunk
        except ProviderError as error:
            changed = self.error(error, endpoint)
            if changed is not None:
                raise changed from None


class SwallowsErrors(ChangesErrors):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        return None


class AllUnavailable(ChangesErrors):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        return ProviderError("unavailable", error.message, status=error.status)


class LeaksKey(ChangesErrors):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        return ProviderError(error.failure, f"{error.message} with {dict(endpoint.credentials)}", status=error.status)


class ForgetsRetryAfter(ChangesErrors):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        return ProviderError(error.failure, error.message, status=error.status)


class OwnWords(ChangesErrors):
    def error(self, error: ProviderError, endpoint: Endpoint) -> BaseException | None:
        return ProviderError(error.failure, "something went wrong", status=error.status)


class NeverTimesOut(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async for chunk in self.inner(endpoint, replace(request, timeout=3.0)):
            yield chunk


class FollowsRedirects(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        headers = {"authorization": f"Bearer {self.credential(endpoint)}"}
        body = {**request.body, "model": endpoint.model}
        async with self.context.http.post(self.url(endpoint), json=body, headers=headers) as response:
            yield {"choices": [], "usage": {"status": response.status}}


class LeavesConnectionOpen(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        chunks: asyncio.Queue[Chunk | None] = asyncio.Queue()

        async def pump() -> None:
            async for chunk in self.inner(endpoint, request):
                await chunks.put(chunk)
            await chunks.put(None)

        self.task = asyncio.create_task(pump())
        while (chunk := await chunks.get()) is not None:
            yield chunk

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class RawErrors(_Base):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with self.context.http.post(endpoint.base_url, json=dict(request.body)) as response:
            response.raise_for_status()
        yield {"choices": []}


BROKEN: list[tuple[type[OpenAIProvider], str, tuple[object, ...]]] = [
    (Buffers, "test_chunks_come_as_they_are_sent", ()),
    (JoinsPieces, "test_pieces_come_in_order_and_not_all_at_once", ()),
    (JoinsPieces, "test_usage_is_reported_last", ()),
    (DropsUsage, "test_usage_is_reported_last", ()),
    (DropsFinish, "test_plain_answer", ()),
    (DropsFinish, "test_finish_reason", ("length",)),
    (OnlyFirstCall, "test_parallel_tool_calls", ()),
    (LosesIds, "test_single_tool_call", ()),
    (LosesIds, "test_tool_result_goes_back", ()),
    (AsciiOnly, "test_characters_torn_between_packets_are_whole", ()),
    (AsciiOnly, "test_arguments_survive_whatever_is_in_them", ()),
    (DropsSystem, "test_system_prompt_reaches_the_server", ()),
    (DropsParameters, "test_parameters_are_passed_on", ()),
    (DropsToolResults, "test_parallel_tool_results_go_back", ()),
    (MutatesRequest, "test_the_request_is_left_alone", ()),
    (KeepsAgentsModel, "test_the_model_is_the_endpoints", ()),
    (DropsHeaders, "test_extra_headers_are_sent", ()),
    (SharesState, "test_calls_at_once_are_not_mixed", ()),
    (SwallowsErrors, "test_wrong_key", ()),
    (SwallowsErrors, "test_end_without_finish", ()),
    (SwallowsErrors, "test_error_in_the_stream", ()),
    (SwallowsErrors, "test_connection_cut", ()),
    (AllUnavailable, "test_wrong_key", ()),
    (AllUnavailable, "test_wrong_model", ()),
    (AllUnavailable, "test_refused", (400,)),
    (AllUnavailable, "test_out_of_time", ("silence",)),
    (AllUnavailable, "test_line_without_end", ()),
    (AllUnavailable, "test_garbage", ()),
    (LeaksKey, "test_no_error_shows_the_key", ()),
    (ForgetsRetryAfter, "test_rate_limited", ()),
    (OwnWords, "test_vendors_words_are_passed_on", ()),
    (NeverTimesOut, "test_out_of_time", ("stall",)),
    (FollowsRedirects, "test_redirect_to_another_host_is_not_followed", ()),
    (LeavesConnectionOpen, "test_closing_the_answer_closes_the_connection", ()),
    (RawErrors, "test_connection_refused", ()),
    (RawErrors, "test_base_url_that_is_none", ("not a url",)),
]


@pytest.mark.parametrize(("provider", "check", "arguments"), BROKEN, ids=[f"{p.__name__}-{c}" for p, c, _ in BROKEN])
async def test_a_broken_provider_fails(provider: type[OpenAIProvider], check: str, arguments: tuple[object, ...]) -> None:
    async with provider_case(provider, OpenAIServer) as case:
        run = getattr(ProviderContract(), check)
        with pytest.raises((AssertionError, ProviderError, aiohttp.ClientError, TimeoutError, LookupError, ValueError)):
            async with asyncio.timeout(1.5):
                await run(case, *arguments)
