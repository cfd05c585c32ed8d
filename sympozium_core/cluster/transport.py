"""How the client reaches an API server: the one place that knows addresses, connections and authentication.

Other ways to connect are other makers of `Transport`: `configuration` (a kubeconfig), `in_cluster` (the account of a pod).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext

import aiohttp

from sympozium_core.cluster.credentials import Credential, Credentials, static
from sympozium_core.names import DEFAULT_NAMESPACE

CONNECT_SECONDS = 10.0
MAX_BODY = 3 * 1024 * 1024
"""Largest request body in bytes that an API server reads."""


@dataclass(frozen=True)
class Transport:
    """`connector` is called on the event loop that uses the client, and again when the credentials bring another `SSLContext`."""

    base_url: str
    connector: Callable[[SSLContext | None], aiohttp.BaseConnector]
    credentials: Credentials
    where: str = ""
    """The server in words, for messages."""
    who: str = ""
    """Whose credentials these are, for messages."""
    namespace: str = DEFAULT_NAMESPACE
    """Where commands work that name no namespace."""
    server_name: str | None = None
    """The name that the server's certificate must bear, where that is not the host of the URL."""
    proxy: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """Sent with each request beside those of the credentials: on whose behalf it is."""


def socket_transport(path: Path | str) -> Transport:
    """The embedded REST face; the socket's mode is the authentication."""
    return Transport(
        "http://localhost",
        lambda tls: aiohttp.UnixConnector(str(path), limit=0),
        static(Credential()),
        where=f"the socket {path}",
    )


def tcp_connector(tls: SSLContext | None) -> aiohttp.BaseConnector:
    return aiohttp.TCPConnector(limit=0, ssl=tls or True)


def url_transport(url: str, credentials: Credentials | None = None) -> Transport:
    """Any API server by its URL."""
    return Transport(url.rstrip("/"), tcp_connector, credentials or static(Credential()), where=url)
