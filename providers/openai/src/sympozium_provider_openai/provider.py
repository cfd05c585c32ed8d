"""The provider `openai`: OpenAI itself, and by its base URL anything that speaks the same protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderContext
from sympozium_provider_openai.request import Call, check_base_url, check_key, merge_headers


class OpenAIProvider(Provider):
    """Passes chat completions through. Subclasses with the same wire say where to ask (`url`) and as whom (`own_headers`)."""

    credential_keys: ClassVar[tuple[str, ...]] = ("apiKey", "OPENAI_API_KEY")
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"

    async def open(self, context: ProviderContext) -> None:
        # Loads aiohttp, which is dear and which only the process that opens a provider needs.
        from sympozium_provider_openai import wire  # noqa: F401

        await super().open(context)

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        from sympozium_provider_openai import wire

        call = Call(
            url=self.url(endpoint),
            body=wire.streamed(request.body, endpoint.model),
            timeout=request.timeout,
            headers=merge_headers(self.own_headers(endpoint), endpoint.headers),
            secrets=self.secrets(endpoint),
        )
        usage_added = "stream_options" not in request.body
        async with aclosing(wire.complete(self.context.http, call, usage_added=usage_added)) as chunks:
            async for chunk in chunks:
                yield chunk

    def url(self, endpoint: Endpoint) -> str:
        """Where to post. Raises ProviderError("refused") for a base URL that cannot be used."""
        base = check_base_url(endpoint.base_url or self.default_base_url, "https://api.openai.com/v1")
        address, question, query = base.partition("?")
        return f"{address.rstrip('/')}/chat/completions{question}{query}"

    def own_headers(self, endpoint: Endpoint) -> dict[str, str]:
        """As whom to ask. A server with a base URL of its own may want no key; OpenAI always does."""
        key = self.key(endpoint, optional=bool(endpoint.base_url))
        return {"authorization": f"Bearer {key}"} if key else {}

    def secrets(self, endpoint: Endpoint) -> tuple[str, ...]:
        """What no message may show."""
        return tuple(value.strip() for value in endpoint.credentials.values())

    def key(self, endpoint: Endpoint, *, optional: bool) -> str:
        """The key from the Secret; empty where there is no Secret and none is needed. Raises ProviderError("auth")."""
        if optional and not endpoint.credentials:
            return ""  # A Secret was not named. One that is named and lacks the key is a mistake, and told.
        return check_key(self.credential(endpoint))
