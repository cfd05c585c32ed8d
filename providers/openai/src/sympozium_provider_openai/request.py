"""A request before it is sent: address, key and headers checked, with messages for the person who set them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sympozium_core.contracts.provider import ProviderError
from sympozium_provider_openai.failures import Redactor

_FIXED = {"content-type", "content-length", "transfer-encoding", "host", "connection", "accept", "accept-encoding"}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_KEY = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True)
class Call:
    """One request, ready to send."""

    url: str
    body: Mapping[str, Any] = field(repr=False)
    timeout: float
    """Seconds for the whole call."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no message may contain."""

    @property
    def where(self) -> str:
        """How messages call the server: host and port."""
        return urlsplit(self.url).netloc.rpartition("@")[2] or "the model server"

    @property
    def redact(self) -> Redactor:
        return Redactor((*self.secrets, *self.headers.values()))


def check_key(key: str) -> str:
    """The key, if it can stand in a header; a Secret made from a file often holds two lines. Raises ProviderError("auth")."""
    if not _KEY.fullmatch(key):
        raise ProviderError(
            "auth", "the key in the Secret has characters that no key has, such as a space or a line end", hint="store it again"
        )
    return key


def merge_headers(own: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Our headers and those that the user asked for, who wins except over the framing of the request. Raises ProviderError("refused")."""
    merged = {name.lower(): value for name, value in own.items()}
    for name, value in extra.items():
        if not _HEADER_NAME.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ProviderError(
                "refused", f"header {name[:64]!r} is not a valid HTTP header", hint="use printable ASCII characters"
            )
        if name.lower() not in _FIXED:
            merged[name.lower()] = value
    return merged


def check_base_url(base: str, example: str) -> str:
    """The base URL if one can ask there. Raises ProviderError("refused")."""
    try:
        parts = urlsplit(base)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not base.isprintable() or " " in base:
        raise ProviderError("refused", f"base URL {base[:200]!r} is not a web address", hint=f"for example {example}")
    if "@" in parts.netloc:
        raise ProviderError("refused", "the base URL carries a user or password", hint="put the key into the Secret instead")
    if parts.fragment:
        raise ProviderError("refused", f"base URL {base[:200]!r} has a part after #", hint=f"for example {example}")
    return base
