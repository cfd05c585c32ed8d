"""The provider `ollama`: its own API, or its OpenAI-compatible one for a base URL that ends in /v1."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

from sympozium_provider_openai.provider import OpenAIProvider
from sympozium_provider_openai.request import Call, merge_headers

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, ProviderContext
from sympozium_provider_ollama.address import DEFAULT, chat_url, from_host, speaks_openai
from sympozium_provider_ollama.request import to_ollama

HOST_KEY = "OLLAMA_HOST"


class OllamaProvider(OpenAIProvider):
    """A key is sent only if the Secret has one: for ollama.com, or for a server behind a proxy."""

    needs_credentials: ClassVar[bool] = False
    credential_keys: ClassVar[tuple[str, ...]] = ("apiKey", "OLLAMA_API_KEY")
    default_base_url: ClassVar[str] = DEFAULT
    local: ClassVar[bool] = True

    async def open(self, context: ProviderContext) -> None:
        from sympozium_provider_ollama import wire  # noqa: F401

        await super().open(context)

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        chunks = super().chat(endpoint, request) if speaks_openai(self.base_url(endpoint)) else self._native(endpoint, request)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    def base_url(self, endpoint: Endpoint) -> str:
        """The instance's base URL, else the Secret's OLLAMA_HOST, else this machine."""
        host = endpoint.credentials.get(HOST_KEY, "").strip()
        return endpoint.base_url or (from_host(host) if host else DEFAULT)

    def url(self, endpoint: Endpoint) -> str:
        base = self.base_url(endpoint)
        return super().url(replace(endpoint, base_url=base)) if speaks_openai(base) else chat_url(base)

    def own_headers(self, endpoint: Endpoint) -> dict[str, str]:
        key = self.key(endpoint, optional=True)
        return {"authorization": f"Bearer {key}"} if key else {}

    def secrets(self, endpoint: Endpoint) -> tuple[str, ...]:
        return tuple(value.strip() for name, value in endpoint.credentials.items() if name != HOST_KEY)

    async def _native(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        from sympozium_provider_ollama import wire

        call = Call(
            url=self.url(endpoint),
            body=to_ollama(request.body, endpoint.model),
            timeout=request.timeout,
            headers=merge_headers(self.own_headers(endpoint), endpoint.headers),
            secrets=self.secrets(endpoint),
        )
        async with aclosing(wire.complete(self.context.http, call, endpoint.model)) as chunks:
            async for chunk in chunks:
                yield chunk
