"""Serves answers over real sockets and misbehaves as asked; what is peculiar to a vendor is in the subclasses."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from aiohttp import ClientConnectionResetError, web

from sympozium_core.testing.servers.script import Answer, Fault, Script

MAX_BODY = 64 * 1024 * 1024
LOOK = 0.05
"""Seconds between two looks at what an answer is held back for."""
HTML = "<!doctype html><html><head><title>Sign in</title></head><body><p>Please sign in.</p></body></html>"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived. Header names are in lower case; `body` is None when it was not JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Any


@dataclass(frozen=True)
class Refusal:
    """An error answer in the vendor's words."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class StrictServer(ABC):
    """One vendor's server on a port of its own. Use it as an async context manager."""

    content_type: ClassVar[str]
    """Of a streamed answer."""
    credential_key: ClassVar[str] = ""
    """Under which name a Secret holds this vendor's key; empty for a server without keys."""

    def __init__(
        self, *, key: str = "test-key-0123456789abcdef", model: str = "test-model", script: Script | None = None
    ) -> None:
        self.key = key
        self.model = model
        self.script = script or Script()
        self.requests: list[Seen] = []
        self.refusals: list[Refusal] = []
        """Requests that the checks refused: what a client does wrong."""
        self.abandoned = 0
        """Answers whose client went away before the end."""
        self.port = 0
        self._queue: deque[Answer] = deque()
        self._strikes: dict[int, int] = {}
        self._changed = asyncio.Condition()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a user would write as base URL."""
        return self.address

    @property
    def credentials(self) -> dict[str, str]:
        """What a user's Secret would hold."""
        return {self.credential_key: self.key} if self.credential_key else {}

    def say(self, *answers: Answer) -> None:
        """Queues answers; they come before the script."""
        self._queue.extend(answers)

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def until_abandoned(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Returns when clients have left that many answers; raises TimeoutError."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: self.abandoned >= count)

    async def until_requested(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Returns when that many requests have arrived; raises TimeoutError."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)

    @abstractmethod
    def check(self, seen: Seen) -> Refusal | None:
        """What the vendor finds wrong with the request."""

    @abstractmethod
    def refusal(self, status: int) -> Refusal:
        """The vendor's own answer with that status."""

    @abstractmethod
    def pieces(self, answer: Answer, seen: Seen) -> list[bytes]:
        """A streamed answer, one event or line a piece, with its end."""

    @abstractmethod
    def whole(self, answer: Answer, seen: Seen) -> Any:
        """The same answer in one piece, as JSON data."""

    @abstractmethod
    def stream_error(self) -> bytes:
        """The vendor's error in the middle of a stream."""

    def streams(self, seen: Seen) -> bool:
        """Whether the request asks for a stream."""
        return bool(seen.body.get("stream"))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = await self._seen(request)
        async with self._changed:
            self.requests.append(seen)
            self._changed.notify_all()
        refusal = self.check(seen)
        if refusal is not None:
            self.refusals.append(refusal)
            return _json(refusal)
        answer = self._next(seen)
        if answer is None:
            return _json(self.refusal(500))
        try:
            return await self._answer(request, seen, answer)
        except asyncio.CancelledError:
            await self._left(answer)
            raise
        except ClientConnectionResetError:
            await self._left(answer)
            return web.Response()

    async def _left(self, answer: Answer) -> None:
        if answer.fault is None or answer.fault.kind not in ("cut", "not_http"):
            self.abandoned += 1
        async with self._changed:
            self._changed.notify_all()

    async def _seen(self, request: web.Request) -> Seen:
        try:
            body = json.loads(await request.read())
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Seen(request.method, request.path, dict(request.query), headers, body)

    def _next(self, seen: Seen) -> Answer | None:
        return self._queue.popleft() if self._queue else self.script.answer(seen.body["messages"])

    async def _answer(self, request: web.Request, seen: Seen, answer: Answer) -> web.StreamResponse:
        fault = self._strike(answer)
        if fault is not None and fault.kind in ("status", "silence", "html", "redirect", "not_http"):
            return await self._instead(request, fault)
        if fault is None and (answer.whole or not self.streams(seen)):
            return web.json_response(self.whole(answer, seen))
        response = web.StreamResponse(headers={"Content-Type": self.content_type, "Cache-Control": "no-cache"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        pieces = self.pieces(answer, seen)
        if fault is not None:
            pieces = pieces[: fault.after]
        for number, piece in enumerate(pieces, start=1):
            if answer.delay:
                await asyncio.sleep(answer.delay)
            if number == len(pieces):
                await self._hold(answer)
            for part in [bytes([byte]) for byte in piece] if answer.dribble else [piece]:
                await response.write(part)
        if fault is not None:
            await self._spoil(request, response, fault)
        await response.write_eof()
        return response

    async def _hold(self, answer: Answer) -> None:
        while answer.until is not None and not answer.until() and not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK)

    def _strike(self, answer: Answer) -> Fault | None:
        fault = answer.fault
        if fault is None or not fault.times:
            return fault
        struck = self._strikes.get(id(answer), 0)
        self._strikes[id(answer)] = struck + 1
        return fault if struck < fault.times else None

    async def _instead(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        """What comes in place of an answer."""
        if fault.kind == "silence":
            await self._stopping.wait()
        if fault.kind == "html":
            return web.Response(text=HTML, content_type="text/html")
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": fault.location})
        if fault.kind == "not_http" and request.transport is not None:
            request.transport.write(b"\x00\x01\x02 this is no HTTP \xff\xfe\r\n\r\n")
            request.transport.close()
            await self._stopping.wait()
        refusal = self.refusal(fault.status)
        headers = dict(refusal.headers)
        if fault.retry_after is not None:
            headers["Retry-After"] = f"{fault.retry_after:g}"
        return _json(Refusal(refusal.status, refusal.body, headers))

    async def _spoil(self, request: web.Request, response: web.StreamResponse, fault: Fault) -> None:
        """What comes after the first pieces."""
        if fault.kind == "stall":
            await self._stopping.wait()
        elif fault.kind == "cut" and request.transport is not None:
            request.transport.close()
            await self._stopping.wait()
        elif fault.kind == "garbage":
            await response.write(b"\xff\xfe\x00\x80 not a chunk \xc3\x28\n\n" * 8)
        elif fault.kind == "long_line":
            for _ in range(48):
                await response.write(b"x" * 65536)
        elif fault.kind == "error":
            await response.write(self.stream_error())


def _json(refusal: Refusal) -> web.Response:
    return web.json_response(refusal.body, status=refusal.status, headers=dict(refusal.headers))
