"""A chat vendor on this machine: bots with an inbox each, chats, and the misbehaviour that a channel has to live with. What is peculiar to a vendor's
wire is in the subclasses, which come with the packages of channels."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from aiohttp import ClientConnectionResetError, web

from sympozium_core.contracts.channel_messages import WebRequest
from sympozium_core.testing.servers.host import HTML

MAX_BODY = 1024 * 1024
FLOOD = 48 * 1024 * 1024
"""Bytes after which a flood ends by itself."""
LOOK = 0.02
"""Seconds between two looks at what somebody waits for."""
Way = Literal["receive", "send"]
ChatFaultKind = Literal["status", "cut", "garbage", "html", "not_http", "nested", "flood", "silence", "redirect"]


@dataclass(frozen=True)
class ChatFault:
    """How the next requests of one way go wrong.

    ``status``: an error answer in the vendor's words. ``cut``: the request is carried out, and the connection ends without an answer. ``garbage``, ``html``,
    ``not_http``: an answer that is nothing, with status 200 where it has one. ``nested``: JSON deeper than a parser goes. ``flood``: a body without an end.
    ``silence``: never a byte.
    ``redirect``: a 307 to `location`.
    """

    kind: ChatFaultKind
    way: Way
    status: int = 500
    retry_after: float | None = None
    location: str = ""


@dataclass(frozen=True)
class Said:
    """A message on its way to a bot."""

    id: str
    chat: str
    sender: str
    sender_name: str
    text: str
    thread: str = ""
    mentions: tuple[str, ...] = ()
    """Ids of accounts."""
    by_bot: bool = False
    junk: Any = None
    """In place of all that: something of the vendor's wire that is no message."""


@dataclass(frozen=True)
class Arrived:
    """A message that a bot has sent."""

    bot: str
    id: str
    chat: str
    text: str
    thread: str = ""
    reply_to: str = ""
    markdown: bool = False
    alias: str = ""


@dataclass(frozen=True)
class Marked:
    """A reaction that a bot has made."""

    bot: str
    chat: str
    message: str
    emoji: str


@dataclass
class Bot:
    id: str
    name: str
    token: str = field(repr=False)
    inbox: list[Said] = field(default_factory=list)
    """All that there ever was for it, in order."""
    acknowledged: set[str] = field(default_factory=set)
    keys: dict[str, str] = field(default_factory=dict)
    """Ids of what it sent, by key; for vendors that drop doubles."""

    @property
    def waiting(self) -> list[Said]:
        """What it has not acknowledged."""
        return [said for said in self.inbox if said.id not in self.acknowledged]


@dataclass(frozen=True)
class Asked:
    """A request that came, `when` by a monotonic clock."""

    when: float
    way: Way
    path: str


class ChatServer(ABC):
    """One vendor's server on a port of its own, with one bot. Use it as an async context manager."""

    group: ClassVar[str] = "group-1"
    other_group: ClassVar[str] = "group-2"
    direct: ClassVar[str] = "direct-1"
    nowhere: ClassVar[str] = "group-404"
    """A chat that there is not."""
    thread: ClassVar[str] = "thread-1"
    """One in `group`."""
    person: ClassVar[str] = "person-1"
    person_name: ClassVar[str] = "Zoë 🙂"
    credential_key: ClassVar[str] = "token"
    signature_headers: ClassVar[tuple[str, ...]] = ()
    """Of calls, in lower case; for vendors that call."""

    def __init__(self) -> None:
        self.bots: dict[str, Bot] = {}
        """By token."""
        self.bot = self.new_bot()
        self.arrived: list[Arrived] = []
        self.marked: list[Marked] = []
        self.asked: list[Asked] = []
        self.refusals: list[str] = []
        """What it found wrong with requests."""
        self.flooded = 0
        """Bytes of a flood that somebody took."""
        self.webhook_url = ""
        """Where channels are called, before the bot's id; for vendors that call."""
        self.port = 0
        self._faults: list[ChatFault] = []
        self._numbers = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._stopping = asyncio.Event()
        self._open: list[web.Request] = []
        self._runner: web.AppRunner | None = None

    # What a subclass says of its wire.

    @abstractmethod
    def way(self, request: web.Request) -> Way:
        """Whether a request is for sending or for receiving."""

    @abstractmethod
    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Carries out a request: reads `Bot.waiting`, calls `acknowledge` and `take`, strictly."""

    @abstractmethod
    def refusal(self, status: int) -> web.Response:
        """The vendor's error answer with that status."""

    @abstractmethod
    def junk(self) -> Sequence[object]:
        """Things in the place of a message: of other kinds, without the fields of one, with fields of other types, with ids that are none."""

    def settings(self) -> Mapping[str, str]:
        """What a user would set, so that the channel asks this server."""
        return {"url": self.address}

    def credentials(self, bot: Bot) -> dict[str, str]:
        """What a user's Secret would hold."""
        return {self.credential_key: bot.token}

    def message_id(self, number: int) -> str:
        """How the vendor calls its messages."""
        return str(number)

    def signed(self, said: Said, *, secret: str = "", age: float = 0.0) -> WebRequest:
        """The call that tells the bot of a message, with its signature; for vendors that call (`chat_calls.CallingServer`). An empty `secret` is the
        right one, `age` in seconds."""
        return WebRequest("POST", "/", body=b"{}")

    # What a test does.

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_bot(self) -> Bot:
        number = len(self.bots) + 1
        bot = Bot(f"bot-{number}", f"robot-{number}", f"tok-{number}-0123456789abcdef")
        self.bots[bot.token] = bot
        return bot

    def say(self, text: str, *, chat: str = "", to: Bot | None = None, **fields: Any) -> Said:
        """A person writes in a chat (`group` if none is given); fields as in Said."""
        said = self.written(text, chat, **fields)
        (to or self.bot).inbox.append(said)
        self.tell()
        return said

    def written(self, text: str, chat: str = "", **fields: Any) -> Said:
        """A message that nobody has been told of."""
        self._numbers += 1
        said = Said(self.message_id(self._numbers), chat or self.group, self.person, self.person_name, text)
        return replace(said, **fields)

    def fail(self, kind: ChatFaultKind, way: Way, *, times: int = 1, **fields: Any) -> None:
        """What becomes of the next requests of that way, `times` of them; fields as in ChatFault."""
        self._faults += [ChatFault(kind, way, **fields)] * times

    def mend(self) -> None:
        """No more faults."""
        self._faults.clear()

    def drop(self) -> None:
        """Ends every connection that is open."""
        for request in list(self._open):
            if request.transport is not None:
                request.transport.abort()

    async def go_down(self) -> None:
        """Nobody can connect until `come_up`."""
        self.drop()
        await self.stop()

    async def come_up(self) -> None:
        await self.start(self.port)

    async def until(self, holds: Callable[[], object], *, timeout: float | None = 10.0) -> None:
        """Waits until something holds; raises TimeoutError. Makes no task, so that checks can look for those of a channel."""
        async with asyncio.timeout(timeout):
            while not holds():
                changed = asyncio.get_running_loop().create_future()
                self._waiting.add(changed)
                await asyncio.wait([changed], timeout=LOOK)
                self._waiting.discard(changed)

    # What a subclass calls.

    async def hold(self, holds: Callable[[], object], seconds: float) -> None:
        """Holds an answer back until something holds, its time is over, or the server ends."""
        with suppress(TimeoutError):
            await self.until(lambda: holds() or self._stopping.is_set(), timeout=seconds)

    def tell(self) -> None:
        """Something has changed: whoever waits looks again."""
        for changed in self._waiting:
            if not changed.done():
                changed.set_result(None)

    def acknowledge(self, bot: Bot, message: str) -> None:
        bot.acknowledged.add(message)
        self.tell()

    def take(self, message: Arrived, key: str = "") -> str:
        """Takes what a bot has sent, under an id of its own; of several with one key the first."""
        bot = next(bot for bot in self.bots.values() if bot.id == message.bot)
        if key and key in bot.keys:
            return bot.keys[key]
        self._numbers += 1
        identity = self.message_id(self._numbers)
        self.arrived.append(replace(message, id=identity))
        if key:
            bot.keys[key] = identity
        self.tell()
        return identity

    def react(self, mark: Marked) -> None:
        self.marked.append(mark)
        self.tell()

    def refuse(self, status: int, why: str) -> web.Response:
        self.refusals.append(why)
        return self.refusal(status)

    # The server.

    async def start(self, port: int = 0) -> None:
        self._stopping = asyncio.Event()
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        self._stopping.set()
        self.tell()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        way = self.way(request)
        self.asked.append(Asked(time.monotonic(), way, request.path))
        self._open.append(request)
        self.tell()
        try:
            body = await request.read()
            fault = next((fault for fault in self._faults if fault.way == way), None)
            if fault is None:
                return await self.answer(request, body)
            self._faults.remove(fault)
            return await self._go_wrong(request, body, fault)
        except ClientConnectionResetError:
            return web.Response()
        finally:
            self._open.remove(request)
            self.tell()

    async def _go_wrong(self, request: web.Request, body: bytes, fault: ChatFault) -> web.StreamResponse:
        if fault.kind == "silence":
            await self._stopping.wait()
        if fault.kind == "flood":
            return await self._flood(request)
        if fault.kind in ("cut", "not_http") and request.transport is not None:
            if fault.kind == "cut" and fault.way == "send":
                await self.answer(request, body)
            else:
                request.transport.write(b"\x00\x01 this is no HTTP \xff\xfe\r\n\r\n" if fault.kind == "not_http" else b"")
            request.transport.close()
            return web.Response()
        texts = {"garbage": b'{"ok": tru\xff\xfe', "nested": b"[" * 200_000, "html": HTML.encode()}
        if fault.kind in texts:
            kind = "text/html" if fault.kind == "html" else "application/json"
            return web.Response(body=texts[fault.kind], content_type=kind)
        if fault.kind == "redirect":
            return web.Response(status=307, headers={"Location": fault.location})
        response = self.refusal(fault.status)
        if fault.retry_after is not None:
            response.headers["Retry-After"] = f"{fault.retry_after:g}"
        return response

    async def _flood(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"x": "')
        while self.flooded < FLOOD:
            await response.write(b"x" * 65536)
            self.flooded += 65536
        return response
