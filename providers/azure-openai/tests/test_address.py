from __future__ import annotations

import pytest
from sympozium_provider_azure_openai.address import chat_url
from sympozium_provider_azure_openai.provider import AzureOpenAIProvider

from sympozium_core.contracts.provider import Endpoint, ProviderError

ROOT = "https://r.openai.azure.com"
DATED = f"{ROOT}/openai/deployments/gpt/chat/completions?api-version="


@pytest.mark.parametrize(
    ("base", "version", "url"),
    [
        (ROOT, "", DATED + "2024-10-21"),
        (f"{ROOT}/", "", DATED + "2024-10-21"),
        (f"{ROOT}/openai", "", DATED + "2024-10-21"),
        (ROOT, "2024-06-01", DATED + "2024-06-01"),
        (f"{ROOT}?api-version=2025-04-01-preview", "2024-06-01", DATED + "2025-04-01-preview"),
        (f"{ROOT}/openai/deployments/other", "", DATED.replace("/gpt/", "/other/") + "2024-10-21"),
        (f"{ROOT}/openai/deployments/other/chat/completions?api-version=2024-06-01", "", DATED.replace("/gpt/", "/other/") + "2024-06-01"),
        (f"{ROOT}/openai/v1", "", f"{ROOT}/openai/v1/chat/completions"),
        (f"{ROOT}/openai/v1/", "2024-06-01", f"{ROOT}/openai/v1/chat/completions"),
        (ROOT, "v1", f"{ROOT}/openai/v1/chat/completions"),
        (ROOT, "preview", f"{ROOT}/openai/v1/chat/completions?api-version=preview"),
        ("https://gw.example/azure?api-version=latest", "", "https://gw.example/azure/openai/v1/chat/completions?api-version=latest"),
        ("https://gw.example/azure", "", "https://gw.example/azure/openai/deployments/gpt/chat/completions?api-version=2024-10-21"),
    ],
)  # fmt: skip
def test_urls(base: str, version: str, url: str) -> None:
    assert chat_url(base, "gpt", version) == url


def test_a_deployments_name_cannot_leave_its_place() -> None:
    assert "/deployments/a%2F..%2Fb%3Fx/chat" in chat_url(ROOT, "a/../b?x")


@pytest.mark.parametrize("version", ["latest-preview", "2024", "2024-10-21&x=1"])
def test_versions_that_are_none(version: str) -> None:
    with pytest.raises(ProviderError) as raised:
        chat_url(ROOT, "gpt", version)
    assert raised.value.failure == "refused"


def test_the_endpoint_may_lie_in_the_secret_but_must_lie_somewhere() -> None:
    provider = AzureOpenAIProvider()
    secret = {"AZURE_OPENAI_ENDPOINT": ROOT, "AZURE_OPENAI_API_VERSION": "2024-06-01"}
    assert provider.url(Endpoint("gpt", credentials=secret)) == DATED + "2024-06-01"
    with pytest.raises(ProviderError, match="AZURE_OPENAI_ENDPOINT"):
        provider.url(Endpoint("gpt"))
