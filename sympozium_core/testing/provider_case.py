"""A provider, opened, before its strict server: what every check of `ProviderContract` is handed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import aiohttp

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderContext, ProviderError
from sympozium_core.testing.servers.host import Seen, StrictServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

USER: tuple[Mapping[str, Any], ...] = ({"role": "user", "content": "What is in the folder?"},)
DEADLINE = 10.0
"""Seconds after which a check that waits for something has failed."""


def tool(name: str, **properties: str) -> dict[str, Any]:
    """A tool with text parameters."""
    schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
    return {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": schema}}


@dataclass
class Collected:
    """A streamed answer put together, each chunk checked for its shape."""

    chunks: list[Chunk] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    usage: Mapping[str, Any] | None = None
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        assert isinstance(chunk, dict), "a chunk is a dict"
        assert isinstance(chunk.get("choices"), list), "a chunk has a list of choices"
        assert self.usage is None or not chunk["choices"], "no content after the chunk with usage"
        self.chunks.append(chunk)
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            assert choice["index"] == 0
            self._delta(choice["delta"])
            self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def _delta(self, delta: Mapping[str, Any]) -> None:
        if delta.get("content"):
            self.pieces.append(delta["content"])
            self.text += delta["content"]
        for call in delta.get("tool_calls") or ():
            known = self.calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
            known["id"] = known["id"] or call.get("id") or ""
            known["name"] += call.get("function", {}).get("name") or ""
            known["arguments"] += call.get("function", {}).get("arguments") or ""

    @property
    def message(self) -> dict[str, Any]:
        """The assistant's message as a client sends it back."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or None}
        if self.calls:
            message["tool_calls"] = [
                {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
                for _, call in sorted(self.calls.items())
            ]
        return message


@dataclass(frozen=True)
class ProviderCase:
    server: StrictServer
    provider: Provider
    endpoint: Endpoint

    @property
    def last(self) -> Seen:
        """The newest request that reached the server."""
        return self.server.requests[-1]

    def endpoint_with(self, **changes: Any) -> Endpoint:
        return replace(self.endpoint, **changes)

    def stream(
        self,
        messages: Sequence[Mapping[str, Any]] = USER,
        *,
        endpoint: Endpoint | None = None,
        timeout: float = DEADLINE,
        **body: Any,
    ) -> AsyncGenerator[Chunk, None]:
        # A list is handed on as it is, so that a check can see whether it was changed.
        sent = messages if isinstance(messages, list) else list(messages)
        request = ChatRequest({"model": "asked-by-the-agent", "messages": sent, **body}, timeout, run_uid="run-1")
        return cast("AsyncGenerator[Chunk, None]", self.provider.chat(endpoint or self.endpoint, request))

    async def ask(self, messages: Sequence[Mapping[str, Any]] = USER, **options: Any) -> Collected:
        """The whole answer. What the strict server refused shows in the error."""
        collected = Collected()
        async with asyncio.timeout(DEADLINE * 2), aclosing(self.stream(messages, **options)) as chunks:
            async for chunk in chunks:
                collected.add(chunk)
        return collected

    async def failure(self, messages: Sequence[Mapping[str, Any]] = USER, **options: Any) -> ProviderError:
        """The error that the call must end with."""
        try:
            answer = await self.ask(messages, **options)
        except ProviderError as error:
            return error
        raise AssertionError(f"expected a ProviderError, got an answer: {answer.text!r}")


@asynccontextmanager
async def provider_case(provider: type[Provider], server: type[StrictServer]) -> AsyncIterator[ProviderCase]:
    """Starts the server, opens the provider, and closes both."""
    async with server() as running, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        opened = provider()
        await opened.open(ProviderContext(http))
        try:
            yield ProviderCase(running, opened, Endpoint(running.model, running.base_url, running.credentials))
        finally:
            await opened.close()
