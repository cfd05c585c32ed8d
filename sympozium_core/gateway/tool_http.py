"""HTTP to MCP servers: where each is, what is sent along with every request, and what of an answer is handed on.

Connections are kept and shared by whatever may go to the same addresses; nothing of one exchange stays in them for the next.
"""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from sympozium_core.address_guard import AddressRefused, Guard
from sympozium_core.errors import Permanent, SympoziumError, Temporary
from sympozium_core.gateway.connector import GuardedConnector, LookUp, guarded_session
from sympozium_core.gateway.tool_host import Place, ToolHost

MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of one answer; a stream that is longer is broken off, and whoever listens may open it again."""
MAX_HEADER_LINE = 8190
CONNECT_SECONDS = 10.0
MAX_REDIRECTS = 3
UNUSED = 600.0
"""Seconds after which connections to a place that nobody asks any more are given up."""
_ASKED = ("accept", "content-type", "last-event-id")
_ANSWERED = ("content-type", "retry-after")
_OURS = "mcp-"
"""How the headers of the protocol itself begin (sessions, versions); they and those above pass, in either direction."""


@dataclass
class _Kept:
    session: aiohttp.ClientSession
    used: float = 0.0
    active: int = 0


@dataclass
class Answer:
    """Implements `contracts.mcp.ExchangeAnswer`."""

    status: int
    headers: Mapping[str, str]
    _response: aiohttp.ClientResponse
    _name: str

    async def pieces(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for piece in self._response.content.iter_any():
                size += len(piece)
                if size > MAX_ANSWER:
                    raise Permanent(f"MCP server {self._name} answers with more than {MAX_ANSWER} bytes", reason="ToolError")
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise Temporary(f"MCP server {self._name} broke off its answer", reason="ToolError") from error


class ToolConnections:
    """One a gateway."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up
        self._kept: dict[tuple[Guard, str], _Kept] = {}

    @asynccontextmanager
    async def exchange(
        self, host: ToolHost, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncIterator[Answer]:
        """Raises Temporary, Permanent; neither says anything of the headers. Redirects are followed where they stay with the server."""
        kept = await self._session(host.place)
        sent = {name: value for name, value in headers.items() if _passes(name, _ASKED)}
        sent |= {"accept-encoding": "identity", "user-agent": "sympozium-mcp", **host.headers}
        url = address(host.place.url, path)
        kept.active += 1
        try:
            for _ in range(MAX_REDIRECTS):
                async with kept.session.request(
                    method, url, headers=sent, data=io.BytesIO(body) if body else None, allow_redirects=False
                ) as response:
                    if (onward := _onward(response, url)) is not None:
                        url = onward
                        continue
                    if response.headers.get("content-encoding", "identity").lower() != "identity":
                        raise Permanent(f"MCP server {host.name} compresses what nobody asked it to", reason="ToolError")
                    told = {name.lower(): value for name, value in response.headers.items() if _passes(name, _ANSWERED)}
                    yield Answer(response.status, told, response, host.name)
                    return
            raise Permanent(f"MCP server {host.name} redirects more than {MAX_REDIRECTS} times", reason="ToolError")
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise
            raise _failure(host.name, error) from None
        finally:
            kept.active -= 1
            kept.used = time.monotonic()

    async def close(self) -> None:
        for kept in self._kept.values():
            await kept.session.close()
        self._kept.clear()

    async def _session(self, place: Place) -> _Kept:
        key = (place.guard, place.socket)
        if key not in self._kept:
            await self._forget_unused()
            self._kept[key] = _Kept(self._opened(place))
        kept = self._kept[key]
        kept.used = time.monotonic()
        return kept

    def _opened(self, place: Place) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
        limits: dict[str, Any] = {"timeout": timeout, "max_line_size": MAX_HEADER_LINE, "max_field_size": MAX_HEADER_LINE}
        if place.socket:
            connector = aiohttp.UnixConnector(place.socket, limit=0)
            return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **limits)
        return guarded_session(GuardedConnector(self._look_up, place.guard, limit=0), auto_decompress=False, **limits)

    async def _forget_unused(self) -> None:
        old = [key for key, kept in self._kept.items() if not kept.active and time.monotonic() - kept.used > UNUSED]
        for kept in [self._kept.pop(key) for key in old]:
            await kept.session.close()


def address(base: str, path: str) -> URL:
    """The server's own address with its query, or another of the same origin."""
    own = URL(base, encoded=True)
    if not path.startswith("/") or any(character <= " " or character == "\x7f" for character in path):
        raise Permanent("a path of the server begins with / and holds no blank", reason="ToolError")
    place, _, query = path.partition("?")
    if place == (own.raw_path or "/") and not query:
        return own
    found = URL(f"{own.scheme}://{own.raw_authority}{path}", encoded=True)
    if found.origin() != own.origin():
        raise Permanent("that is not an address of the server", reason="ToolError")
    return found


def _passes(name: str, listed: tuple[str, ...]) -> bool:
    return name.lower() in listed or name.lower().startswith(_OURS)


def _onward(response: aiohttp.ClientResponse, url: URL) -> URL | None:
    """Where a redirect leads that keeps method and body. To another origin nothing goes: the credentials are for this one."""
    if response.status not in (307, 308) or not (location := response.headers.get("location")):
        return None
    onward = url.join(URL(location))
    if onward.origin() != url.origin():
        raise Permanent(
            f"MCP server {response.url.host} redirects to another address", reason="ToolError", hint="set url to where it leads"
        )
    return onward


def _failure(name: str, error: Exception) -> SympoziumError:
    cause = getattr(error, "os_error", error)
    if isinstance(cause, AddressRefused):
        hint = "a policy may list a range in mcpPolicy.allowedPrivate"
        return Permanent(f"MCP server {name} is not asked: {cause.strerror}", reason="ToolError", hint=hint)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return Permanent(f"MCP server {name} has no certificate that is trusted here", reason="ToolError")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Temporary(f"MCP server {name} cannot be connected to: {error.strerror or 'no answer'}", reason="ToolError")
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return Permanent(f"MCP server {name} does not answer in HTTP", reason="ToolError")
    if isinstance(error, ValueError):
        return Permanent(
            f"a header for MCP server {name} cannot be sent", reason="ToolError", hint="no line breaks in a Secret's value"
        )
    return Temporary(f"MCP server {name} broke off the connection", reason="ToolError")
