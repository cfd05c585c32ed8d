"""A web of a test's own: servers on addresses of this machine that answer byte for byte what the test says, and names that stand for what
it says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from sympozium_core.errors import Temporary


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def answer(body: bytes | str = b"", status: str = "200 OK", kind: str = "text/plain", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = {
        "content-type": kind,
        "content-length": str(len(data)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + data


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(status=status, location=location)


class Server:
    """`pages` is what each path is answered with; a callable gets the request and gives the bytes, None holds the answer back for ever."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.host, self.tls = host, tls
        self.pages: dict[str, bytes | Callable[[Asked], bytes] | None] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.stays = False
        """Leaves the connection open after what it has said."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self.tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._one(reader, writer)
        self._writers.discard(writer)
        writer.transport.abort() if self.tls else writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        seen = Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.asked.append(seen)
        found = self.pages.get(target.partition("?")[0], answer("nothing here", "404 Not Found"))
        if found is None:
            await reader.read()
            return
        sent = found if isinstance(found, bytes) else found(seen)
        writer.write(sent if method != "HEAD" else sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        await writer.drain()
        if self.tls or self.stays:
            await reader.read()


class Names:
    """Addresses by name. Each look-up gets the next of several answers, and the last one again."""

    def __init__(self) -> None:
        self.known: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []

    def say(self, name: str, *answers: str | tuple[str, ...]) -> None:
        self.known[name] = [(each,) if isinstance(each, str) else each for each in answers]

    async def look_up(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        if name == "nobody-knows.example":
            raise Temporary("the resolver is away")
        answers = self.known.get(name) or [()]
        return answers.pop(0) if len(answers) > 1 else answers[0]
