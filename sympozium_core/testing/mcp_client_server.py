"""An MCP server of the suite's own, without a network: it is the `exchange` that a client is handed. It knows the rules of the protocol, refuses what is
against them, and says what it was told to say.
"""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.contracts.mcp import ExchangeAnswer

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Of MCP, which begin with a handshake."""
WITH_HEADER = VERSIONS[2:]
"""Those in which each request says which one was agreed on."""
SESSION = "session-7f3a"
METHOD_NOT_FOUND, INVALID_REQUEST, INVALID_PARAMS = -32601, -32600, -32602
JSON, STREAM = "application/json", "text/event-stream"
FOREIGN = ("authorization", "cookie", "proxy-authorization", "host", "x-api-key")
"""Headers that are the exchange's to add."""


class Stall:
    """In the place of a piece: nothing comes any more."""


Piece = bytes | Exception | Stall | asyncio.Event
"""An event: what follows comes when it is set."""


@dataclass
class Answer:
    """What the server says to one request; implements `contracts.mcp.ExchangeAnswer`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[Piece] = ()

    async def pieces(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Stall):
                await asyncio.Event().wait()
            elif isinstance(part, asyncio.Event):
                await part.wait()
            elif isinstance(part, Exception):
                raise part
            else:
                yield part


def whole(document: object, status: int = 200, **headers: str) -> Answer:
    """In JSON; bytes are taken as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return Answer(status, {"content-type": JSON, **_dashed(headers)}, [body])


def stream(*parts: Piece, **headers: str) -> Answer:
    return Answer(200, {"content-type": STREAM, **_dashed(headers)}, parts)


def event(document: object, end: str = "\n", kind: str = "message") -> bytes:
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return f"event: {kind}{end}data: {text}{end}{end}".encode()


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def result(request: Mapping[str, Any], found: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": found}


def error(request: Mapping[str, Any] | None, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": (request or {}).get("id"), "error": {"code": code, "message": message}}


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    verb: str
    path: str
    headers: Mapping[str, str]
    message: Mapping[str, Any]
    """Of JSON-RPC; empty where there was none."""

    @property
    def method(self) -> str:
        """Of JSON-RPC; of HTTP where there was no message."""
        return str(self.message.get("method") or ("answer" if self.message else self.verb))


Say = Callable[[Seen], Answer]
"""What is said instead, to a request."""


def tool(name: str, description: str | None = None, **fields: Any) -> dict[str, Any]:
    told = {} if description is None else {"description": description}
    return {"name": name, "inputSchema": {"type": "object", "properties": {}}, **told, **fields}


class ProtocolServer(ABC):
    """What servers of both transports have in common: the handshake, the list, and a record of what was asked."""

    path = "/mcp"
    url = f"https://tools.example{path}"
    secret = ""
    """The query of its address, of which nobody is to know."""

    def __init__(self, *tools: Mapping[str, Any], instead: Mapping[str, Say] | None = None) -> None:
        """`instead`: by method of JSON-RPC or HTTP, what is said in the place of the sound answer."""
        self.pages: list[Sequence[object]] = [tools]
        self.cursors: Callable[[int], str] = lambda page: f"page-{page}"
        self.instead = dict(instead or {})
        self.version: Any = VERSIONS[-1]
        """What it answers to `initialize`, whatever it was asked."""
        self.capabilities: dict[str, Any] = {"tools": {"listChanged": True}}
        self.software: dict[str, Any] = {"name": "warehouse", "version": "4.2"}
        self.seen: list[Seen] = []
        self.refusals: list[str] = []
        """What was against the rules."""
        self.open = 0
        """Exchanges that somebody is in."""
        self.answered: list[Mapping[str, Any]] = []
        """Messages from the client that answer the server's own requests."""
        self.heard = asyncio.Event()
        """Set with the first of them."""
        self._news = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[ExchangeAnswer]:
        self.open += 1
        try:
            yield await self._reply(method, path, {name.lower(): value for name, value in headers.items()}, body)
        finally:
            self.open -= 1
            self._news.set()

    async def until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Raises AssertionError where it does not come true."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what}; asked were {self.methods}") from None

    @property
    def methods(self) -> list[str]:
        return [seen.method for seen in self.seen]

    def of(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method]

    async def _reply(self, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        message, wrong = _message(body)
        seen = Seen(verb, path, headers, message)
        self.seen.append(seen)
        self._news.set()
        wrong = wrong or next(self._wrongs(seen), "")
        if wrong:
            self.refusals.append(wrong)
            return whole(error(message, INVALID_REQUEST, wrong), 400)
        if seen.method in self.instead:
            return self.instead[seen.method](seen)
        return await self.answer(seen)

    def _wrongs(self, seen: Seen) -> Iterator[str]:
        place, _, query = seen.path.partition("?")
        if place not in self.places or (place == self.path and query not in ("", self.secret)):
            yield f"nothing is at {place}"
        yield from (f"header {name} is not the client's to send" for name in FOREIGN[:3] if name in seen.headers)
        if seen.verb == "POST" and not seen.headers.get("content-type", "").startswith(JSON):
            yield "what is posted is application/json"
        yield from self.rules(seen)

    @property
    def places(self) -> Sequence[str]:
        return (self.path,)

    @abstractmethod
    def rules(self, seen: Seen) -> Iterable[str]:
        """What is wrong with a request in this transport."""

    @abstractmethod
    async def answer(self, seen: Seen) -> Answer: ...

    def found(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer in JSON-RPC to one of its requests."""
        method, params = request.get("method"), request.get("params") or {}
        if method == "initialize":
            if wrong := _wrong_hello(params):
                return error(request, INVALID_PARAMS, wrong)
            said = {"protocolVersion": self.version, "capabilities": self.capabilities, "serverInfo": self.software}
            return result(request, said)
        if method == "ping":
            return result(request, {})
        if method == "tools/list" and "tools" in self.capabilities:
            return self._page(request, params)
        return error(request, METHOD_NOT_FOUND, f"there is no method {method}")

    def _page(self, request: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        places = {self.cursors(number): number for number in range(1, len(self.pages))}
        if "cursor" in params and params["cursor"] not in places:
            return error(request, INVALID_PARAMS, f"no such cursor: {params['cursor']!r}")
        number = places[params["cursor"]] if "cursor" in params else 0
        onward = {"nextCursor": self.cursors(number + 1)} if number + 1 < len(self.pages) else {}
        return result(request, {"tools": list(self.pages[number]), **onward})


class HttpServer(ProtocolServer):
    """Streamable HTTP."""

    def __init__(self, *tools: Mapping[str, Any], instead: Mapping[str, Say] | None = None) -> None:
        super().__init__(*tools, instead=instead)
        self.session = SESSION
        """Empty: it has none."""
        self.ended = False
        self.says: Callable[[dict[str, Any]], Answer] = whole
        """How it says what it has to say."""
        self._greeted = self._ready = False
        self._ids: set[object] = set()

    def rules(self, seen: Seen) -> Iterable[str]:
        accepted = seen.headers.get("accept", "")
        if seen.verb == "POST" and not (JSON in accepted and STREAM in accepted):
            yield f"a client accepts both {JSON} and {STREAM}"
        if seen.method in ("initialize", "server/discover"):
            return
        if not self._greeted:
            yield f"{seen.method} before initialize"
        if self.ended:
            yield f"{seen.method} in a session that has ended"
        if seen.headers.get("mcp-session-id", "") != self.session:
            yield f"{seen.method} without the session's id"
        early = seen.method == "answer" and not self._ready
        if not early and self.version in WITH_HEADER and seen.headers.get("mcp-protocol-version") != self.version:
            yield f"{seen.method} without the version that was agreed on"
        if seen.method == "tools/list" and not self._ready:
            yield "tools/list before notifications/initialized"
        if "id" in seen.message and "method" in seen.message and seen.message["id"] in self._ids:
            yield f"id {seen.message['id']!r} for the second time"

    async def answer(self, seen: Seen) -> Answer:
        if seen.verb == "DELETE":
            self.ended = True
            return Answer(204)
        if seen.verb != "POST":
            return Answer(405, {"content-type": "text/plain"}, [b"no stream here"])
        if seen.method == "server/discover":
            return whole(error(seen.message, INVALID_REQUEST, "unsupported protocol version"), 400)
        if "id" not in seen.message or "method" not in seen.message:
            self._ready = self._ready or seen.method == "notifications/initialized"
            if seen.method == "answer":
                self.answered.append(seen.message)
                self.heard.set()
            return Answer(202)
        self._ids.add(seen.message["id"])
        said = self.says(self.found(seen.message))
        if seen.method == "initialize":
            self._greeted = True
            if self.session:
                said.headers = {**said.headers, "mcp-session-id": self.session}
        return said


def _message(body: bytes) -> tuple[dict[str, Any], str]:
    """A message of JSON-RPC, and what is wrong with it."""
    if not body:
        return {}, ""
    try:
        found = json.loads(body)
    except ValueError:
        return {}, "what was sent is no JSON"
    if not isinstance(found, dict) or found.get("jsonrpc") != "2.0":
        return {}, "what was sent is no message of JSON-RPC 2.0"
    if "method" in found and not isinstance(found.get("id", ""), str | int):
        return found, "an id is a text or a whole number"
    return found, "" if {"method", "result", "error"} & found.keys() else "a message asks, tells or answers"


def _wrong_hello(params: Mapping[str, Any]) -> str:
    who = params.get("clientInfo")
    if not isinstance(params.get("protocolVersion"), str) or not isinstance(params.get("capabilities"), dict):
        return "initialize has protocolVersion and capabilities"
    if not (isinstance(who, dict) and isinstance(who.get("name"), str) and isinstance(who.get("version"), str)):
        return "initialize has clientInfo with name and version"
    return ""
