"""Chat completions over HTTP with streaming: POST, server-sent events, chunks. Shared by every provider that speaks this protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import aiohttp

from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_provider_openai.answers import StreamCheck, whole_as_chunk
from sympozium_provider_openai.lines import TooLong
from sympozium_provider_openai.post import post
from sympozium_provider_openai.request import Call
from sympozium_provider_openai.sse import Event, EventParser

MAX_BODY = 16 * 1024 * 1024
"""Bytes of an answer in one piece."""
DRAIN_SECONDS = 0.25
"""How long to wait after the end mark for the end of the response, so that the connection can be used again."""
DONE = "[DONE]"


def streamed(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The body as it is sent: for this model, streamed, with usage in the last chunk unless the caller says something about it."""
    sent = {**body, "model": model, "stream": True}
    sent.setdefault("stream_options", {"include_usage": True})
    return sent


async def complete(http: aiohttp.ClientSession, call: Call, *, usage_added: bool = False) -> AsyncGenerator[Chunk, None]:
    """Asks and yields chunks. Raises ProviderError, before or between chunks.

    With `usage_added`, a server that does not know ``stream_options`` is asked once more without it.
    """
    try:
        async with aclosing(_ask(http, call)) as chunks:
            async for chunk in chunks:
                yield chunk
    except ProviderError as error:
        if not (usage_added and error.status in (400, 422) and "stream_options" in error.message):
            raise
    else:
        return
    plain = {key: value for key, value in call.body.items() if key != "stream_options"}
    async with aclosing(_ask(http, replace(call, body=plain))) as chunks:
        async for chunk in chunks:
            yield chunk


async def _ask(http: aiohttp.ClientSession, call: Call) -> AsyncGenerator[Chunk, None]:
    check = StreamCheck(call.where, call.redact)
    async with post(http, call, accept="text/event-stream, application/json") as response:
        kind = response.content_type.lower()
        if kind == "application/json":
            yield check.chunk(whole_as_chunk(await read_all(response, call), call.where, call.redact))
        elif kind == "text/event-stream":
            async with aclosing(_events(response, call, check)) as events:
                async for event in events:
                    if event.data.strip() == DONE:
                        break
                    yield check.chunk(event.data, event.name)
            await _drain(response)
        else:
            raise wrong_type(kind, call)
    check.end()


async def _events(response: aiohttp.ClientResponse, call: Call, check: StreamCheck) -> AsyncGenerator[Event, None]:
    parser = EventParser()
    try:
        async for piece in response.content.iter_any():
            for event in parser.feed(piece):
                yield event
        for event in parser.finish():
            yield event
    except aiohttp.ClientPayloadError:
        # The connection was cut, but the answer was whole: only the end mark is missing.
        if not check.complete:
            raise
    except TooLong as error:
        raise ProviderError("garbage", f"{call.where} sent {error}") from error
    except UnicodeDecodeError as error:
        raise ProviderError("garbage", f"{call.where} sent bytes that are not text") from error


async def _drain(response: aiohttp.ClientResponse) -> None:
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await response.content.read(1)
    except (TimeoutError, aiohttp.ClientError):
        return


async def read_all(response: aiohttp.ClientResponse, call: Call) -> bytes:
    """The whole body within bounds. Raises ProviderError("garbage")."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY:
            raise ProviderError("garbage", f"{call.where} sent an answer of more than {MAX_BODY} bytes")
    return bytes(body)


def wrong_type(kind: str, call: Call) -> ProviderError:
    """A success that is no answer: mostly a web page, because the base URL names a web site."""
    what = "a web page" if kind == "text/html" else f"content of type {call.redact(kind)!r}"
    return ProviderError(
        "garbage", f"{call.where} sent {what} in place of an answer", hint="check baseURL; it often ends in /v1"
    )
