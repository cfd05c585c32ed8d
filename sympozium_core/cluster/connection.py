"""Requests over one transport: bounded in number, tried again where that cannot do a thing twice, credentials kept fresh."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from sympozium_core.clock import SystemClock, rfc3339
from sympozium_core.cluster.bodies import parsed
from sympozium_core.cluster.credentials import Credential, ended
from sympozium_core.cluster.status import error_of
from sympozium_core.cluster.transport import CONNECT_SECONDS, Transport
from sympozium_core.contracts.cluster import Unauthorized, Unavailable

REQUEST_SECONDS = 60.0
"""For one request, and for all the waiting that a server asks for by Retry-After."""
REQUESTS = 64
"""Most requests under way at once; each needs a connection of its own. Watches and other streams are not counted."""
GET_TRIES = 4
GET_BACK_OFF = 0.1
LARGE_BODY = 512 * 1024
LOST = (aiohttp.ClientError, TimeoutError)
"""What aiohttp raises when there is no answer."""


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: bytes | None = None
    content_type: str = "application/json"
    headers: Sequence[tuple[str, str]] = ()


class Answer(NamedTuple):
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class Connection:
    """Belongs to the event loop of its first request; `close` it there."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._slots = asyncio.Semaphore(REQUESTS)
        self._session: aiohttp.ClientSession | None = None
        self._retired: aiohttp.ClientSession | None = None
        self._tls: SSLContext | None = None
        self._closed = False

    async def ask(self, request: Request) -> Answer:
        """One request and its answer. A GET whose connection is lost is asked again; a write never, it may have been done.

        Raises Unavailable without an answer, Unauthorized for a 401.
        """
        tries = GET_TRIES if request.method == "GET" else 1
        async with self._slots:
            for attempt in range(1, tries + 1):
                try:
                    response = await self.open(request)
                    async with response:
                        return Answer(response.status, response.headers, await response.read())
                except LOST as error:
                    if attempt == tries or not _passing(error):
                        raise self.unavailable(error) from error
                await asyncio.sleep(GET_BACK_OFF * attempt * (0.5 + random.random()))
        raise AssertionError("unreachable")

    async def stream(self, request: Request, *, quiet: float | None) -> aiohttp.ClientResponse:
        """As `open`, for a response without an end that may be quiet for so many seconds (None: for ever)."""
        return await self.open(request, aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=quiet))

    async def open(self, request: Request, limits: aiohttp.ClientTimeout | None = None) -> aiohttp.ClientResponse:
        """The response, not read yet.

        What a server refuses before it looks at it is asked again, whatever it is: 401 once where there are other credentials now,
        429 after the time that it names. Raises what aiohttp does (`LOST`), and Unauthorized.
        """
        loop = asyncio.get_running_loop()
        patience = loop.time() + REQUEST_SECONDS
        limits = limits or aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        renewed = False
        while True:
            credential = await self.transport.credentials.current()
            response = await self._send(request, credential, limits)
            if response.status == 401:
                said = error_of(parsed(await response.read()), 401).message
                if renewed or not await self.transport.credentials.refused(credential):
                    raise self._unauthorized(credential, said)
                renewed = True
                continue
            wait = _retry_after(response) if response.status == 429 else None
            if wait is None or loop.time() + wait > patience:
                return response
            response.release()
            await asyncio.sleep(wait * (1 + random.random() / 5))

    async def close(self) -> None:
        self._closed = True
        for session in (self._session, self._retired):
            if session is not None:
                await session.close()

    def unavailable(self, error: Exception) -> Unavailable:
        """What to tell about a request that got no answer."""
        where = self.transport.where or self.transport.base_url
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            inner = error.certificate_error
            reason = getattr(inner, "verify_message", "") or str(inner)
            return Unavailable(
                f"the certificate of the API server at {where} is not trusted: {reason}",
                hint="see certificate-authority-data and tls-server-name in the kubeconfig",
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return Unavailable(f"no TLS with the API server at {where}: {error.os_error}"[:300])
        if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
            return Unavailable(f"the proxy {_without_user(self.transport.proxy)} does not reach the API server at {where}")
        if isinstance(error, aiohttp.ClientConnectorError):
            reason = error.os_error.strerror or str(error.os_error)
            return Unavailable(f"cannot reach the API server at {where}: {reason}", hint="is it running?")
        if isinstance(error, TimeoutError):
            return Unavailable(f"the API server at {where} did not answer in time")
        if isinstance(error, aiohttp.InvalidURL):
            return Unavailable(f"{where} is no URL of an API server")
        return Unavailable(
            f"the connection to the API server at {where} was lost", hint="a write may or may not have been done"
        )

    async def _send(self, request: Request, credential: Credential, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        if self._closed:
            raise Unavailable("the client is closed")
        session = await self._session_for(credential.tls)
        headers: CIMultiDict[str] = CIMultiDict({"Accept": "application/json", "User-Agent": "sympozium"})
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        headers.update(credential.headers)
        for name, value in request.headers:
            headers.add(name, value)
        return await session.request(
            request.method,
            self.transport.base_url + request.path,
            params=request.query,
            data=_payload(request.body),
            headers=headers,
            timeout=limits,
            allow_redirects=False,
            proxy=self.transport.proxy,
            server_hostname=self.transport.server_name,
        )

    async def _session_for(self, tls: SSLContext | None) -> aiohttp.ClientSession:
        """A new client certificate needs new connections; what is under way on the old ones may end, until the next is replaced."""
        if self._session is None or tls is not self._tls:
            gone, self._retired = self._retired, self._session
            self._session = aiohttp.ClientSession(connector=self.transport.connector(tls), auto_decompress=True)
            self._tls = tls
            if gone is not None:
                await gone.close()
        return self._session

    def _unauthorized(self, credential: Credential, said: str) -> Unauthorized:
        if not self.transport.who:
            return Unauthorized(said)
        end = ended(credential)
        past = f": they ended at {rfc3339(end)}" if end is not None and 0 < end <= SystemClock().now() else ""
        return Unauthorized(
            f"the API server at {self.transport.where} does not take the credentials of {self.transport.who}{past}",
            hint="log in again with the tool that made them",
        )


def _payload(body: bytes | None) -> bytes | io.BytesIO | None:
    """A large one is sent in pieces, so that others have their turn on the event loop."""
    return io.BytesIO(body) if body is not None and len(body) > LARGE_BODY else body


def hang_up(response: aiohttp.ClientResponse) -> None:
    """Ends the connection of a stream that goes on: closed politely, TLS would wait for the server's farewell, longer than a loop may live."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


def _without_user(url: str | None) -> str:
    """For messages: a proxy's URL may hold a password."""
    parts = urlsplit(url or "")
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _passing(error: Exception) -> bool:
    """Whether the same may go well a moment later."""
    final = (TimeoutError, aiohttp.ClientSSLError, aiohttp.InvalidURL, aiohttp.ClientHttpProxyError)
    return not isinstance(error, final)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds; None where the server names none (or a date, which API servers do not)."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None
