"""Ollama's chat over HTTP: POST, newline-delimited JSON, chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import aiohttp
from sympozium_provider_openai.lines import MAX_TOTAL, LineSplitter, TooLong
from sympozium_provider_openai.post import post
from sympozium_provider_openai.request import Call
from sympozium_provider_openai.wire import MAX_BODY, wrong_type

from sympozium_core.contracts.provider import Chunk, ProviderError
from sympozium_provider_ollama.answers import LineReader

_TYPES = ("application/x-ndjson", "application/json", "application/jsonl")


async def complete(http: aiohttp.ClientSession, call: Call, model: str) -> AsyncGenerator[Chunk, None]:
    """Asks and yields chunks. Raises ProviderError, before or between chunks."""
    try:
        async with aclosing(_ask(http, call, model)) as chunks:
            async for chunk in chunks:
                yield chunk
    except ProviderError as error:
        if not error.hint or error.status == 404:
            error.hint = _hint(error, model) or error.hint
        raise


async def _ask(http: aiohttp.ClientSession, call: Call, model: str) -> AsyncGenerator[Chunk, None]:
    reader = LineReader(model, call.where, call.redact)
    async with post(http, call, accept=", ".join(_TYPES)) as response:
        kind = response.content_type.lower()
        if kind not in _TYPES:
            raise wrong_type(kind, call)
        # An answer in one piece, from a proxy that does not stream, is one long line.
        splitter = LineSplitter(MAX_BODY, MAX_TOTAL) if kind == "application/json" else LineSplitter()
        try:
            async for piece in response.content.iter_any():
                for line in splitter.feed(piece):
                    for chunk in reader.chunks(line):
                        yield chunk
        except TooLong as error:
            raise ProviderError("garbage", f"{call.where} sent {error}") from error
        if not reader.done:
            for chunk in reader.chunks(splitter.rest()):
                yield chunk
    reader.end()


def _hint(error: ProviderError, model: str) -> str:
    """What a person can do about the failures that Ollama's users meet most."""
    if error.status == 404 and "not found" in error.message and "page not found" not in error.message:
        return f"download the model: ollama pull {model}"
    if "does not support tools" in error.message:
        return "choose a model that can call tools, such as qwen3 or llama3.1"
    return ""
