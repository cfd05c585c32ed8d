from __future__ import annotations

from sympozium_provider_azure_openai.provider import AzureOpenAIProvider

from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.servers.azure_openai import AzureOpenAIServer


class _V1Server(AzureOpenAIServer):
    path = "/openai/v1/chat/completions"

    @property
    def base_url(self) -> str:
        return f"{self.address}/openai/v1"


class TestAzureOpenAI(ProviderContract):
    provider_class = AzureOpenAIProvider
    server_class = AzureOpenAIServer


class TestAzureOpenAIV1(ProviderContract):
    provider_class = AzureOpenAIProvider
    server_class = _V1Server
