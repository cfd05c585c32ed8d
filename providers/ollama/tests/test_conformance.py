from __future__ import annotations

from typing import ClassVar

from sympozium_provider_ollama.provider import OllamaProvider

from sympozium_core.testing.provider import ProviderContract
from sympozium_core.testing.servers.lm_studio import LMStudioServer
from sympozium_core.testing.servers.ollama import OllamaServer


class TestOllama(ProviderContract):
    provider_class = OllamaProvider
    server_class = OllamaServer


class TestOllamaByOpenAIWire(ProviderContract):
    """A base URL that ends in /v1; the server differs from LM Studio's in nothing that matters here."""

    provider_class = OllamaProvider
    server_class: ClassVar = LMStudioServer
