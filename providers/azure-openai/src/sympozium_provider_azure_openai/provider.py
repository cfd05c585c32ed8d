"""The provider `azure-openai`; `model` is the name of a deployment."""

from __future__ import annotations

from typing import ClassVar

from sympozium_provider_openai.provider import OpenAIProvider

from sympozium_core.contracts.provider import Endpoint, ProviderError
from sympozium_provider_azure_openai.address import EXAMPLE, chat_url

ENDPOINT_KEY = "AZURE_OPENAI_ENDPOINT"
VERSION_KEY = "AZURE_OPENAI_API_VERSION"


class AzureOpenAIProvider(OpenAIProvider):
    """The endpoint is that of the user's own resource: from the base URL, or from the Secret beside the key."""

    credential_keys: ClassVar[tuple[str, ...]] = ("apiKey", "AZURE_OPENAI_API_KEY")
    default_base_url: ClassVar[str] = ""

    def url(self, endpoint: Endpoint) -> str:
        base = endpoint.base_url or endpoint.credentials.get(ENDPOINT_KEY, "").strip()
        if not base:
            raise ProviderError(
                "refused", f"no base URL, and no {ENDPOINT_KEY} in the Secret", hint=f"set baseURL, for example {EXAMPLE}"
            )
        return chat_url(base, endpoint.model, endpoint.credentials.get(VERSION_KEY, "").strip())

    def own_headers(self, endpoint: Endpoint) -> dict[str, str]:
        return {"api-key": self.key(endpoint, optional=False)}

    def secrets(self, endpoint: Endpoint) -> tuple[str, ...]:
        # Endpoint and version lie in the Secret for convenience; messages may name them.
        return tuple(value for name, value in endpoint.credentials.items() if name not in (ENDPOINT_KEY, VERSION_KEY))
