from __future__ import annotations

import pytest
from sympozium_provider_ollama.address import from_host
from sympozium_provider_ollama.provider import OllamaProvider

from sympozium_core.contracts.provider import Endpoint


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("192.168.1.5", "http://192.168.1.5:11434"),
        ("gpu.lan:8080", "http://gpu.lan:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:9", "http://[::1]:9"),
        ("http://gpu.lan", "http://gpu.lan:80"),
        ("https://ollama.com", "https://ollama.com:443"),
        ("https://gw.example/ollama/", "https://gw.example:443/ollama"),
    ],
)
def test_host_as_ollama_reads_it(host: str, base: str) -> None:
    assert from_host(host) == base


@pytest.mark.parametrize(
    ("base", "secret", "url"),
    [
        ("", {}, "http://127.0.0.1:11434/api/chat"),
        ("", {"OLLAMA_HOST": "gpu:1"}, "http://gpu:1/api/chat"),
        ("http://h:1", {"OLLAMA_HOST": "gpu:1"}, "http://h:1/api/chat"),
        ("http://h:1/api", {}, "http://h:1/api/chat"),
        ("http://h:1/v1", {}, "http://h:1/v1/chat/completions"),
    ],
)
def test_urls(base: str, secret: dict[str, str], url: str) -> None:
    assert OllamaProvider().url(Endpoint("m", base, secret)) == url
