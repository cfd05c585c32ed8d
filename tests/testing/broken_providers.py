"""Providers with one thing wrong each: `test_provider_bites` says which check of `ProviderContract` finds it."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import aiohttp
from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, ProviderContext, ProviderError

Broken = type[OpenAIProvider]


class Sound(OpenAIProvider):
    def inner(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        return OpenAIProvider.chat(self, endpoint, request)


def changed_chunks(change: Callable[[Chunk], object]) -> Broken:
    """One whose chunks are not the server's."""

    class Changed(Sound):
        async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            async with aclosing(self.inner(endpoint, request)) as chunks:
                async for chunk in chunks:
                    change(chunk)
                    yield chunk

    return Changed


def changed_deltas(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Broken:
    """The same by choice: what is given is its delta, and it."""
    return changed_chunks(lambda chunk: [change(choice["delta"], choice) for choice in chunk["choices"]])


def changed_arguments(change: Callable[[str, int], str]) -> Broken:
    def each(delta: dict[str, Any], choice: dict[str, Any]) -> None:
        for call in delta.get("tool_calls") or []:
            function = call.get("function") or {}
            if function.get("arguments"):
                function["arguments"] = change(function["arguments"], call["index"])

    return changed_deltas(each)


def changed_requests(change: Callable[[dict[str, Any]], object]) -> Broken:
    """One that asks for something else."""

    class Changed(Sound):
        async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            body = copy.deepcopy(dict(request.body))
            change(body)
            async with aclosing(self.inner(endpoint, replace(request, body=body))) as chunks:
                async for chunk in chunks:
                    yield chunk

    return Changed


def changed_endpoints(change: Callable[[Endpoint], Endpoint]) -> Broken:
    class Changed(Sound):
        async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            async with aclosing(self.inner(change(endpoint), request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    return Changed


def changed_errors(change: Callable[[ProviderError, Endpoint], ProviderError | None]) -> Broken:
    """One whose errors are others; None leaves an error as it is."""

    class Changed(Sound):
        async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            try:
                async with aclosing(self.inner(endpoint, request)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except ProviderError as error:
                raise change(error, endpoint) or error from None

    return Changed


def another_failure(failure: str, where: Callable[[ProviderError], object]) -> Broken:
    """One that takes some failures for another."""

    def change(error: ProviderError, endpoint: Endpoint) -> ProviderError | None:
        if not where(error):
            return None
        return ProviderError(failure, error.message, status=error.status, retry_after=error.retry_after)  # type: ignore[arg-type]  # the words of a table

    return changed_errors(change)


class JoinsPieces(Sound):
    """All but the first few pieces at once."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        seen, joined, last = 0, "", []
        async with aclosing(self.inner(endpoint, request)) as chunks:
            async for chunk in chunks:
                seen += 1
                delta = chunk["choices"][0]["delta"] if chunk["choices"] else {}
                if seen <= 12 or "tools" in request.body:
                    yield chunk
                elif delta.get("content"):
                    joined += delta["content"]
                    whole = chunk
                else:
                    last.append(chunk)
        if joined:
            whole["choices"][0]["delta"]["content"] = joined
            yield whole
        for chunk in last:
            yield chunk


class Buffers(Sound):
    """All but the first chunk when the answer is over."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self.inner(endpoint, request)) as chunks:
            yield await anext(chunks)
            kept = [chunk async for chunk in chunks]
        for chunk in kept:
            yield chunk


class CutsLongAnswers(Sound):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self.inner(endpoint, request)) as chunks:
            async for chunk in chunks:
                for choice in chunk["choices"]:
                    if choice["delta"].get("content"):
                        choice["delta"]["content"] = choice["delta"]["content"][:65536]
                yield chunk


class ToolsOrText(Sound):
    """Drops what was said before a call."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if "tools" not in request.body:
            async with aclosing(self.inner(endpoint, request)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        kept = [chunk async for chunk in self.inner(endpoint, request)]
        deltas = [choice["delta"] for chunk in kept for choice in chunk["choices"]]
        for delta in deltas:
            if any(other.get("tool_calls") for other in deltas if other is not delta) and not delta.get("tool_calls"):
                delta.pop("content", None)
        for chunk in kept:
            yield chunk


class AddsToTheRequest(Sound):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self.inner(endpoint, request)) as chunks:
            async for chunk in chunks:
                yield chunk
        request.body["messages"].append({"role": "user", "content": "Be quick."})


class SharesState(Sound):
    """Keeps the request on itself, as a careless author would."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        self.current = request
        await asyncio.sleep(0)
        async with aclosing(self.inner(endpoint, self.current)) as chunks:
            async for chunk in chunks:
                yield chunk


class OwnKey(Sound):
    """Asks with the first key that it saw, whatever comes later."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if "wrong" in self.key(endpoint, optional=False):
            endpoint = replace(endpoint, credentials={"apiKey": "test-key-0123456789abcdef"})
        async with aclosing(self.inner(endpoint, request)) as chunks:
            async for chunk in chunks:
                yield chunk


class AsksWithoutAKey(Sound):
    def credential(self, endpoint: Endpoint) -> str:
        try:
            return super().credential(endpoint)
        except ProviderError:
            return "none"


class MendsKeys(Sound):
    def credential(self, endpoint: Endpoint) -> str:
        return super().credential(endpoint).split("\r")[0]


class KnowsModels(Sound):
    """Takes it on itself to say which models there are."""

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if endpoint.model.startswith("no-such"):
            raise ProviderError("refused", "there is no such model")
        async with aclosing(self.inner(endpoint, request)) as chunks:
            async for chunk in chunks:
                yield chunk


class TakesItsTime(Sound):
    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        async with aclosing(self.inner(endpoint, replace(request, timeout=request.timeout + 2.5))) as chunks:
            async for chunk in chunks:
                yield chunk


class FollowsRedirects(Sound):
    async def open(self, context: ProviderContext) -> None:
        await super().open(replace(context, http=cast("aiohttp.ClientSession", Following(context.http))))


class Following:
    """A client that does as it is told elsewhere, whatever its user says."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    def post(self, url: str, **options: Any) -> object:
        return self._http.post(url, **{**options, "allow_redirects": True})


class Pumps(Sound):
    """Reads in a task of its own, and gives it up on one of two occasions alone."""

    left_by: type[BaseException] = GeneratorExit
    task: asyncio.Task[None] | None = None

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        chunks: asyncio.Queue[Chunk | BaseException | None] = asyncio.Queue()

        async def pump() -> None:
            try:
                async with aclosing(self.inner(endpoint, request)) as read:
                    async for chunk in read:
                        await chunks.put(chunk)
                await chunks.put(None)
            except Exception as error:
                await chunks.put(error)

        task = self.task = asyncio.create_task(pump())
        try:
            while (chunk := await chunks.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                yield chunk
        except self.left_by:
            raise
        except BaseException:
            task.cancel()
            raise

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


class PumpsOnWhenCancelled(Pumps):
    left_by = asyncio.CancelledError


class GivesUp(Sound):
    """After four failures nobody is asked any more."""

    failures = 0

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if self.failures >= 4:
            raise ProviderError("unavailable", "it has failed too often")
        try:
            async with aclosing(self.inner(endpoint, request)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ProviderError:
            self.failures += 1
            raise


class TriesUrlsWithBlanks(Sound):
    def url(self, endpoint: Endpoint) -> str:
        if " " in endpoint.base_url:
            raise ProviderError("unavailable", "cannot connect")
        return super().url(endpoint)


def ascii_only(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def ascii_content(delta: dict[str, Any], choice: dict[str, Any]) -> None:
    if delta.get("content"):
        delta["content"] = ascii_only(delta["content"])


def empty_call(delta: dict[str, Any], choice: dict[str, Any]) -> None:
    if delta.get("content"):
        delta.setdefault("tool_calls", [{"index": 0, "function": {"name": "", "arguments": ""}}])


def one_or_the_other(delta: dict[str, Any], choice: dict[str, Any]) -> None:
    if delta.get("content"):
        delta.pop("tool_calls", None)


def stops_for_tools(delta: dict[str, Any], choice: dict[str, Any]) -> None:
    if choice.get("finish_reason") == "tool_calls" and not delta:
        choice["finish_reason"] = "stop"


def never_long(delta: dict[str, Any], choice: dict[str, Any]) -> None:
    if choice.get("finish_reason") == "length":
        choice["finish_reason"] = "stop"


def adds_up_wrong(chunk: Chunk) -> None:
    if chunk.get("usage"):
        chunk["usage"]["total_tokens"] = 0


def same_arguments(arguments: str, index: int) -> str:
    return arguments if index == 0 else arguments.translate(str.maketrans("123", "000"))


def tool_results(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [message for message in body["messages"] if message["role"] == "tool"]


def empties_one_result(body: dict[str, Any]) -> None:
    if len(tool_results(body)) == 1:
        tool_results(body)[0]["content"] = ""


def mixes_results(body: dict[str, Any]) -> None:
    results = tool_results(body)
    if len(results) > 1:
        results[0]["content"], results[1]["content"] = results[1]["content"], results[0]["content"]


def drops_system(body: dict[str, Any]) -> None:
    body["messages"] = [message for message in body["messages"] if message["role"] != "system"]


def cuts_long_questions(body: dict[str, Any]) -> None:
    for message in body["messages"]:
        if isinstance(message.get("content"), str):
            message["content"] = message["content"][:100_000]


def shows_key(error: ProviderError, endpoint: Endpoint) -> ProviderError:
    words = f"{error.message} with {json.dumps(dict(endpoint.credentials))}"
    return ProviderError(error.failure, words, status=error.status, retry_after=error.retry_after)
