"""HTTP to addresses that others have named: what is checked is what is connected to.

A name is looked up once for a connection, every address that it has is judged, and the connection goes to one of those: a name that points
elsewhere a moment later gains nothing. Whatever gets as far as a socket by another way (an address in the place of a name) is judged there.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from ssl import SSLContext
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from sympozium_core.address_guard import AddressRefused, Guard
from sympozium_core.errors import SympoziumError

LookUp = Callable[[str], Awaitable[Sequence[str]]]
"""All addresses of a name, none for one that does not exist. Raises Temporary where nobody can say."""


class Lookup(AbstractResolver):
    """Answers with judged addresses only. Raises AddressRefused when one of several may not be asked: an honest name has no such company."""

    def __init__(self, look_up: LookUp, guard: Guard) -> None:
        self._look_up, self._guard = look_up, guard

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        try:
            found = await self._look_up(host.removesuffix("."))
        except SympoziumError as error:
            raise OSError(socket.EAI_AGAIN, str(error)) from error
        if not found:
            raise OSError(socket.EAI_NONAME, "no such host")
        for address in found:
            if because := self._guard.refusal(address):
                raise AddressRefused(f"its address {address}", because)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


class GuardedConnector(aiohttp.TCPConnector):
    """`connected` has the addresses to which sockets were made, newest last."""

    def __init__(self, look_up: LookUp, guard: Guard, *, tls: SSLContext | None = None, **options: Any) -> None:
        self._guard = guard
        self.connected: list[str] = []
        super().__init__(resolver=Lookup(look_up, guard), ssl=tls or True, socket_factory=self._socket, **options)

    def _socket(self, info: tuple[Any, Any, int, str, Any]) -> socket.socket:
        family, kind, protocol, _, place = info
        if because := self._guard.refusal(place[0]):
            raise AddressRefused(str(place[0]), because)
        self.connected = [*self.connected[-7:], str(place[0])]
        return socket.socket(family, kind, protocol)


def guarded_session(connector: GuardedConnector, **options: Any) -> aiohttp.ClientSession:
    """Keeps no cookies, reads neither proxy settings nor netrc, and ends with its connector."""
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, **options)
