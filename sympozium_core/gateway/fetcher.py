"""Fetches one page over HTTP: every hop judged by the run's policy and the address guard, everything that comes bounded.

Redirects follow RFC 9110 15.4, at most five: what a policy lists for the first address says nothing of the next.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from yarl import URL

from sympozium_core.address_guard import AddressRefused, Guard, Loopback
from sympozium_core.contracts.fetching import FetchPolicy
from sympozium_core.errors import Permanent
from sympozium_core.gateway.connector import GuardedConnector, LookUp, guarded_session
from sympozium_core.gateway.fetch_request import BadFetch, FetchRequest, address
from sympozium_core.gateway.page import Inflating, Unreadable

SECONDS = 30.0
"""For all of it: names, connections, redirects, the body."""
MAX_REDIRECTS = 5
MAX_BODY = 2 * 1024 * 1024
"""Bytes, decompressed; and as they come, compressed."""
MAX_HEADER_LINE = 8190
MAX_HEADER_LINES = 100
_REDIRECTS = (301, 302, 303, 307, 308)
_OWN: Mapping[str, str] = {
    "accept": "text/html, application/xhtml+xml, application/json, text/*;q=0.9, */*;q=0.5",
    "user-agent": "sympozium-fetch",
}
_EVERYWHERE = ("accept", "accept-language", "user-agent")
"""Headers of the agent's that a redirect takes along to another origin."""


class FetchFailed(Permanent):
    """Nothing was got. `how` is ``refused`` (it may not be asked), ``failed`` or ``timeout``."""

    reason = "ToolError"

    def __init__(self, how: Literal["refused", "failed", "timeout"], message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.how = how


@dataclass
class Trail:
    """How far a fetch has come; its maker reads it also when the fetch ends badly."""

    url: URL
    redirects: int = 0
    address: str = ""
    """The address that was connected to last; empty before there was one."""


@dataclass(frozen=True)
class Fetched:
    status: int
    reason: str
    url: URL
    method: str
    """Of the last request."""
    content_type: str
    body: bytes = field(repr=False)
    cut: bool


@dataclass(frozen=True)
class _Hop:
    url: URL
    method: str
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """One a gateway. `tls` trusts what the machine trusts, unless a test says otherwise."""

    def __init__(self, look_up: LookUp, loopback: Loopback, tls: ssl.SSLContext | None = None) -> None:
        """`loopback` says whether a policy may list this machine's own addresses."""
        self._look_up, self._loopback, self._tls = look_up, loopback, tls

    async def fetch(self, request: FetchRequest, policy: FetchPolicy, trail: Trail, seconds: float = SECONDS) -> Fetched:
        """Raises FetchFailed, BadFetch."""
        guard = Guard(policy.private, self._loopback)
        hop = _Hop(request.url, request.method, {**_OWN, **request.headers, "accept-encoding": "gzip, deflate"}, request.body)
        try:
            async with asyncio.timeout(min(seconds, SECONDS)):
                while True:
                    trail.url = hop.url
                    found = await self._ask(hop, policy, guard, trail)
                    if isinstance(found, Fetched):
                        return found
                    trail.redirects += 1
                    if trail.redirects > MAX_REDIRECTS:
                        raise FetchFailed(
                            "failed", f"more than {MAX_REDIRECTS} redirects", hint=f"the last led to {found.url.host}"
                        )
                    hop = found
        except TimeoutError:
            raise FetchFailed(
                "timeout", f"{trail.url.host} did not answer whole within {min(seconds, SECONDS):.0f} s"
            ) from None

    async def _ask(self, hop: _Hop, policy: FetchPolicy, guard: Guard, trail: Trail) -> Fetched | _Hop:
        host, port = hop.url.raw_host or "", hop.url.port or 0
        if because := policy.refusal(hop.method, host, port, hop.url.raw_path):
            raise FetchFailed("refused", _after_redirect(trail, because))
        # A connection of its own for each: none that was opened for a run with other rights is used again.
        connector = GuardedConnector(self._look_up, guard, tls=self._tls, force_close=True, limit=1, use_dns_cache=False)
        session = guarded_session(
            connector,
            auto_decompress=False,
            max_line_size=MAX_HEADER_LINE,
            max_field_size=MAX_HEADER_LINE,
            max_headers=MAX_HEADER_LINES,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
        )
        async with session:
            try:
                async with session.request(
                    hop.method, hop.url, headers=hop.headers, data=hop.body or None, allow_redirects=False
                ) as response:
                    if response.status in _REDIRECTS and response.headers.get("location"):
                        return _next_hop(hop, response.status, response.headers["location"], trail)
                    return await _read(hop, response)
            except (aiohttp.ClientError, Unreadable, ValueError, OSError) as error:
                if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                    raise
                raise _failure(error, hop, trail) from None
            finally:
                trail.address = connector.connected[-1] if connector.connected else ""


async def _read(hop: _Hop, response: aiohttp.ClientResponse) -> Fetched:
    body, came = Inflating(response.headers.get("content-encoding", "").strip().lower(), MAX_BODY), 0
    if hop.method != "HEAD":
        async for piece in response.content.iter_any():
            came += len(piece)
            body.add(piece)
            if body.cut or came > MAX_BODY:
                break
    return Fetched(
        status=response.status,
        reason=(response.reason or "")[:100],
        url=hop.url,
        method=hop.method,
        content_type=response.headers.get("content-type", "")[:200],
        body=bytes(body.body),
        cut=body.cut or came > MAX_BODY,
    )


def _next_hop(hop: _Hop, status: int, location: str, trail: Trail) -> _Hop:
    """303 always, 301 and 302 of a POST are asked again as GET; 307 and 308 as they were (RFC 9110 15.4)."""
    try:
        url = address(location, hop.url)
    except BadFetch as error:
        raise FetchFailed("refused", f"{hop.url.host} redirects to where nothing is fetched: {error.message}") from None
    if hop.url.scheme == "https" and url.scheme != "https":
        raise FetchFailed(
            "refused", f"{hop.url.host} redirects from https to http", hint="that would be read and changed on its way"
        )
    method, body, headers = hop.method, hop.body, dict(hop.headers)
    if method == "POST" and status in (301, 302, 303):
        method, body = "GET", b""
        headers = {name: value for name, value in headers.items() if not name.startswith("content-")}
    if url.origin() != hop.url.origin():
        headers = {
            name: value
            for name, value in headers.items()
            if name in (*_EVERYWHERE, "accept-encoding") or (body and name == "content-type")
        }
    return _Hop(url, method, headers, body)


def _failure(error: Exception, hop: _Hop, trail: Trail) -> FetchFailed:
    """In words that hold no more than the agent itself may know."""
    host = hop.url.host
    cause = getattr(error, "os_error", error)
    if isinstance(cause, AddressRefused):
        hint = "a policy may list a range in networkPolicy.fetch.allowedPrivate"
        return FetchFailed("refused", _after_redirect(trail, f"{host} is not asked: {cause.strerror}"), hint=hint)
    if isinstance(error, Unreadable):
        return FetchFailed("failed", f"the answer of {host} {error}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return FetchFailed("failed", f"{host} has no certificate that is trusted here")
    if isinstance(error, aiohttp.ClientConnectorError):
        return FetchFailed("failed", f"{host} cannot be connected to: {error.strerror or 'no answer'}")
    if isinstance(error, aiohttp.ClientResponseError):
        return FetchFailed("failed", f"{host} does not answer in HTTP")
    return FetchFailed("failed", f"{host} broke off the connection")


def _after_redirect(trail: Trail, because: str) -> str:
    return f"after {trail.redirects} redirect{'s' if trail.redirects > 1 else ''}: {because}" if trail.redirects else because
