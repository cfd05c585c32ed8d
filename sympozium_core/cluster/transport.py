"""How the client reaches an API server: the one place that knows addresses, connections and authentication.

Other ways to connect (a kubeconfig, the account of a pod) are other makers of `Transport`; the client does not change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

import aiohttp

CONNECT_SECONDS = 10.0
MAX_BODY = 3 * 1024 * 1024
"""Largest request body in bytes that an API server reads."""

Headers = Callable[[], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class Transport:
    """`connector` is called once, on the event loop that uses the client. `headers` is asked before each request, so tokens may rotate."""

    base_url: str
    connector: Callable[[], aiohttp.BaseConnector]
    headers: Headers | None = None
    where: str = ""
    """The server in words, for messages."""


def socket_transport(path: Path | str) -> Transport:
    """The embedded REST face; the socket's mode is the authentication."""
    return Transport("http://localhost", lambda: aiohttp.UnixConnector(str(path), limit=0), where=f"the socket {path}")


def url_transport(url: str, *, headers: Headers | None = None, tls: SSLContext | None = None) -> Transport:
    """Any API server by its URL. `tls` holds the authority to trust and a client certificate."""
    return Transport(url.rstrip("/"), lambda: aiohttp.TCPConnector(limit=0, ssl=tls or True), headers, where=url)
