"""Addresses of tool servers and the headers that are sent to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sympozium_core.resources.faults import Fault, shown

MAX_URL = 2048
MAX_HEADER = 128
URL = r"^https?://[^@#\s/]+[^@#\s]*$"
HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
_URL, _HEADER = re.compile(URL), re.compile(HEADER)
PROTOCOL = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "last-event-id",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Headers that the protocol itself sets, besides those that begin with ``mcp-``."""


def server_url(text: str) -> str:
    """An address over HTTP, in which nobody is named: what is a secret belongs into a header. Raises Fault."""
    hint = "such as https://mcp.example.com/mcp; a password or a key goes into headers"
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        raise Fault("is no address of a server", hint)
    try:
        _ = urlsplit(text).port
    except ValueError:
        raise Fault("is no address of a server: it has no port that is one", hint) from None
    return text


def header_name(text: str) -> str:
    """Raises Fault."""
    if len(text) > MAX_HEADER or not _HEADER.fullmatch(text):
        raise Fault(f"{shown(text)} is no name of a header", "such as Authorization")
    if text.lower() in PROTOCOL or text.lower().startswith("mcp-"):
        raise Fault(f"{shown(text)} is set by the protocol itself", "such as Authorization or X-Api-Key")
    return text
