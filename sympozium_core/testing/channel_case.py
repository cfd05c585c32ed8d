"""Channels as a host runs them, before their strict server: what every check of `ChannelContract` is handed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from sympozium_core.contracts.channel import Channel, ChannelContext, Health
from sympozium_core.contracts.channel_messages import (
    ChannelError,
    InboundMessage,
    OutboundMessage,
    WebAnswer,
    WebRequest,
    pieces,
)
from sympozium_core.testing.servers.chat import Arrived, Bot, ChatServer, Said

DEADLINE = 20.0
"""Seconds after which a check that waits for something has failed."""
ENDS = 2.0
"""Seconds in which a cancel has to have ended whatever it is."""


class Running:
    """One channel, run as a host does: what it handed over and what it reported, in order."""

    def __init__(self, channel: Channel, server: ChatServer, patience: float) -> None:
        self.channel = channel
        self.received: list[InboundMessage] = []
        """What `receive` was called with; that of a call that has not returned too."""
        self.health: list[Health] = []
        self.gate = asyncio.Event()
        """`receive` does not return while it is not set."""
        self.gate.set()
        self.kept: dict[str, str] = {}
        """By chat, the newest message for which `receive` has returned."""
        self.trouble: list[Exception] = []
        """What the next calls of `receive` raise."""
        self.task: asyncio.Task[None] | None = None
        self.stopped = False
        self._calls: set[asyncio.Task[WebAnswer]] = set()
        self.patience = patience
        self._server = server

    async def receive(self, message: InboundMessage) -> None:
        self.received.append(message)
        self._server.tell()
        if self.trouble:
            raise self.trouble.pop(0)
        await self.gate.wait()
        self.kept[message.chat] = message.id

    def report(self, health: Health) -> None:
        self.health.append(health)
        self._server.tell()

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.received]

    @property
    def connected(self) -> bool:
        return bool(self.health) and self.health[-1].connected

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits until something holds; fails with what was received and reported."""
        try:
            await self._server.until(holds, timeout=self.patience)
        except TimeoutError:
            raise AssertionError(f"{what}\nreceived: {self.texts}\nreported: {self.health[-3:]}") from None

    async def until_received(self, *texts: str) -> None:
        await self.until(lambda: set(texts) <= set(self.texts), f"{', '.join(texts)} did not arrive")

    async def until_connected(self) -> None:
        await self.until(lambda: self.connected, "the channel is not connected")

    async def until_ended(self) -> BaseException | None:
        """What `run` ended with."""
        assert self.task is not None
        task = self.task
        await self.until(task.done, "run did not end")
        return task.exception()

    async def call(self, request: WebRequest) -> WebAnswer:
        """A call, as a host passes it on."""
        if self.stopped:
            return WebAnswer(503)
        task = asyncio.create_task(self.channel.webhook(request))
        self._calls.add(task)
        try:
            await asyncio.wait([task])
            return task.result()
        except Exception:
            return WebAnswer(503)
        except asyncio.CancelledError:
            if not task.cancelled():
                task.cancel()
                raise
            return WebAnswer(503)
        finally:
            self._calls.discard(task)

    async def stop(self) -> None:
        """As when its process is told to end: whatever goes on is cancelled, and the channel closed. Its client stays, so that what is left shows."""
        if not self.stopped:
            self.stopped = True
            for task in [*([self.task] if self.task else []), *self._calls]:
                await ended(task)
            await asyncio.wait_for(self.channel.close(), ENDS)


@dataclass
class ChannelCase:
    server: ChatServer
    channel_class: type[Channel]
    stack: AsyncExitStack
    patience: float = DEADLINE

    def __post_init__(self) -> None:
        self._keys = itertools.count(1)
        self._running: dict[str, Running] = {}

    async def opened(
        self, bot: Bot | None = None, *, credentials: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None
    ) -> Running:
        """A new channel with a client of its own, open and not running."""
        bot = bot or self.server.bot
        channel = self.channel_class()
        http = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        running = Running(channel, self.server, self.patience)
        given = self.server.credentials(bot) if credentials is None else credentials
        kept = dict(self._running[bot.id].kept) if bot.id in self._running else {}
        running.kept.update(kept)
        context = ChannelContext(http, running.receive, running.report, given, settings or self.server.settings(), kept)
        await channel.open(context)
        self._running[bot.id] = running
        self.stack.push_async_callback(running.stop)
        return running

    async def started(self, bot: Bot | None = None, **options: Any) -> Running:
        """A new channel that runs."""
        running = await self.opened(bot, **options)
        running.task = asyncio.create_task(running.channel.run())
        running.task.add_done_callback(lambda task: self.server.tell())
        return running

    async def connected(self, bot: Bot | None = None) -> Running:
        running = await self.started(bot)
        await running.until_connected()
        return running

    def message(self, text: str = "Hello.", **fields: Any) -> OutboundMessage:
        return OutboundMessage(**{"chat": self.server.group, "text": text, "key": f"key-{next(self._keys)}", **fields})

    async def send(self, running: Running, message: OutboundMessage) -> list[str]:
        """A message in as many pieces as it takes; their ids."""
        async with asyncio.timeout(self.patience):
            return [await running.channel.send(piece) for piece in pieces(message, running.channel.abilities)]

    async def failure(self, running: Running, message: OutboundMessage) -> ChannelError:
        """What sending must end with."""
        try:
            async with asyncio.timeout(self.patience):
                await running.channel.send(message)
        except ChannelError as error:
            return error
        raise AssertionError("expected a ChannelError, and the message was sent")

    @property
    def arrived(self) -> Sequence[Arrived]:
        return self.server.arrived

    async def until_acknowledged(self, running: Running, *said: Said, bot: Bot | None = None) -> None:
        known = (bot or self.server.bot).acknowledged
        await running.until(lambda: {each.id for each in said} <= known, "not acknowledged")

    async def call(self, request: WebRequest) -> WebAnswer:
        """A call, as a host passes it on to a channel: that of the bot whose id is the path."""
        running = self._running.get(request.path.strip("/") or self.server.bot.id)
        return await running.call(request) if running else WebAnswer(503)


@asynccontextmanager
async def channel_case(channel: type[Channel], server: type[ChatServer]) -> AsyncIterator[ChannelCase]:
    """Starts the server, and a place where it can call; closes both, and whatever the check has opened."""
    async with server() as running, AsyncExitStack() as stack:
        case = ChannelCase(running, channel, stack)
        running.webhook_url = await _called(case, stack)
        yield case


async def _called(case: ChannelCase, stack: AsyncExitStack) -> str:
    async def handle(request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        answer = await case.call(WebRequest(request.method, request.path, dict(request.query), headers, body))
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task; fails if it does not end in time."""
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=ENDS)
    assert done, f"a cancel did not end it within {ENDS:g} s"
    with suppress(asyncio.CancelledError, Exception):
        task.result()
