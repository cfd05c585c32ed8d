"""The way out for sidecars of a sandbox that has no network: an HTTP proxy that connects to what the plan's egress lists, and to nothing else.

``CONNECT host:port`` (RFC 9110 9.3.6), and for plain HTTP a request with the whole URL (RFC 9112 3.2.2), one a connection. A name that is listed leads to
the addresses that it had when the run was planned; an address has to be one of them, or in a range that is listed.

Whatever it says itself has the header ``Proxy-Status`` (RFC 9209), and a line of text:

=======  ==========================================================
status   when
=======  ==========================================================
400      not a request to a proxy
403      the run's policy does not list the destination
502      it is listed, and cannot be connected to
=======  ==========================================================
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sympozium_core.bridge.connections import Connections
from sympozium_core.contracts.plan import EgressRule
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root

STATUS = "proxy-status"
MAX_HEAD = 32 * 1024
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 10.0
_PIECE = 64 * 1024
_BETWEEN_TWO = ("connection", "proxy-connection", "proxy-authorization", "keep-alive", "te", "upgrade")
"""Headers that are for the proxy, and what would keep a connection open for a second request, which nobody would judge."""


@dataclass(frozen=True)
class _Asked:
    host: str
    port: int
    head: bytes
    """What the destination is sent first; empty for a tunnel."""


class _Refused(Exception):
    def __init__(self, status: str, error: str, text: str) -> None:
        """`error` is a type of RFC 9209 2.3."""
        super().__init__(text)
        self.status, self.error = status, error


class EgressProxy:
    """Serves the volumes that it is told to, until `close`."""

    def __init__(self, rules: Sequence[EgressRule]) -> None:
        self._rules = rules
        self._servers: list[asyncio.Server] = []
        self._connections = Connections()

    async def listen(self, volume: Root) -> None:
        volume.remove(layout.EGRESS_SOCKET)
        # By descriptor: see `model_endpoint.ModelEndpoint.listen`.
        place = Path(f"/proc/self/fd/{volume.descriptor}/{layout.EGRESS_SOCKET}")
        self._servers.append(await asyncio.start_unix_server(self._accept, place, limit=MAX_HEAD))

    async def close(self) -> None:
        """Ends every connection at once."""
        for server in self._servers:
            server.close()
        await self._connections.close()

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Where a connection may go; none for what is not listed."""
        found: dict[str, None] = {}
        for rule in self._rules:
            if rule.port not in (None, port):
                continue
            networks = [ipaddress.ip_network(each) for each in rule.cidrs]
            if (address := _address(host)) is not None:
                if any(address in network for network in networks):
                    found[str(address)] = None
            elif host.lower() == rule.host.lower():
                found.update(dict.fromkeys(str(network.network_address) for network in networks))
        return tuple(found)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._connections.one(writer) as taken:
            if taken:
                try:
                    await self._carry(reader, writer)
                except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                asked = await _read(reader)
            there, back = await self._connect(asked)
        except _Refused as refused:
            text = f"{refused}\n".encode("utf-8", "replace")
            writer.write(f"HTTP/1.1 {refused.status}\r\ncontent-type: text/plain; charset=utf-8\r\n".encode())
            writer.write(f"{STATUS}: sympozium; error={refused.error}\r\n".encode())
            writer.write(f"content-length: {len(text)}\r\nconnection: close\r\n\r\n".encode() + text)
            await writer.drain()
            writer.close()
            return
        try:
            if asked.head:
                back.write(asked.head)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back))
                both.create_task(_copy(there, writer))
        except* OSError:
            writer.transport.abort()
        finally:
            back.transport.abort()
            writer.close()

    async def _connect(self, asked: _Asked) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        where = f"{asked.host[:253]}:{asked.port}"
        addresses = self.addresses(asked.host, asked.port)
        if not addresses:
            raise _Refused(
                "403 Forbidden",
                "http_request_denied",
                f"the policy of this run does not list {where} in networkPolicy.allowedEgress",
            )
        why = "no answer"
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address, asked.port, limit=_PIECE)
            except (OSError, TimeoutError) as error:
                why = getattr(error, "strerror", "") or why
        raise _Refused("502 Bad Gateway", "destination_unavailable", f"{where} cannot be connected to: {why}")


async def _read(reader: asyncio.StreamReader) -> _Asked:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused("400 Bad Request", "http_request_error", "the head of the request is too long") from None
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.rpartition(" ")
    tunnel = method == "CONNECT"
    try:
        parts = urlsplit(f"//{target}" if tunnel else target)
        host, port = parts.hostname or "", parts.port or (0 if tunnel else 80)
    except ValueError:
        host, port, parts = "", 0, urlsplit("")
    if not version.startswith("HTTP/1.") or not host or not 0 < port < 65536 or (not tunnel and parts.scheme != "http"):
        raise _Refused(
            "400 Bad Request",
            "http_request_error",
            "not a request to a proxy: CONNECT host:port, or a URL that begins with http://",
        )
    if tunnel:
        return _Asked(host, port, b"")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [line for line in lines if line.partition(":")[0].strip().lower() not in _BETWEEN_TWO]
    return _Asked(host, port, "\r\n".join((f"{method} {path} HTTP/1.1", *kept, "connection: close", "", "")).encode("latin-1"))


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_PIECE):
        target.write(data)
        await target.drain()
    with suppress(OSError):
        target.write_eof()


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
