"""Where Ollama is asked; OLLAMA_HOST is read as Ollama's own tools read it (`envconfig/config.go` in its source)."""

from __future__ import annotations

from urllib.parse import urlsplit

from sympozium_provider_openai.request import check_base_url

DEFAULT = "http://127.0.0.1:11434"


def from_host(host: str) -> str:
    """A base URL from a value of OLLAMA_HOST: ``host``, ``host:port``, ``:port`` or a URL. The address "all interfaces" means this machine."""
    scheme, found, rest = host.strip().rpartition("://")
    if not found:
        scheme, rest = "http", host.strip()
    authority, slash, path = rest.partition("/")
    name, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        name, port = authority, {"https": "443", "http": "80"}.get(scheme, "") if found else "11434"
    if name in ("", "0.0.0.0", "[::]"):
        name = "127.0.0.1"
    return f"{scheme}://{name}:{port}{slash}{path}".rstrip("/")


def speaks_openai(base: str) -> bool:
    """A base URL that ends in /v1 is that of Ollama's OpenAI-compatible API."""
    return urlsplit(base).path.rstrip("/").endswith("/v1")


def chat_url(base: str) -> str:
    """Raises ProviderError("refused")."""
    address, question, query = check_base_url(base, DEFAULT).partition("?")
    return f"{address.rstrip('/').removesuffix('/api')}/api/chat{question}{query}"
