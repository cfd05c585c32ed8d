from __future__ import annotations

from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.servers.openai import OpenAIServer


class TestOpenAI(ProviderContract):
    provider_class = OpenAIProvider
    server_class = OpenAIServer
