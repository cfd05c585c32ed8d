"""A chat vendor that calls: it tells its bots of messages by signed requests, one after the other, each until somebody says that it has it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

import aiohttp

from sympozium_core.contracts.channel_messages import WebRequest
from sympozium_core.testing.servers.chat import Bot, ChatServer, Said

PAUSE = 0.1
"""Seconds before a call that failed is made again."""


class CallingServer(ChatServer):
    """Calls are made to `webhook_url` and the bot's id, while the server is up."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = "sec-0123456789abcdef"
        """With which calls are signed."""
        self._callers: list[asyncio.Task[None]] = []

    @abstractmethod
    def signed(self, said: Said, *, secret: str = "", age: float = 0.0) -> WebRequest: ...

    async def start(self, port: int = 0) -> None:
        await super().start(port)
        self._callers = [asyncio.create_task(self._calls())]

    async def stop(self) -> None:
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        await super().stop()

    async def _calls(self) -> None:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http, asyncio.TaskGroup() as group:
            known: set[str] = set()
            while True:
                for bot in [bot for bot in self.bots.values() if bot.id not in known]:
                    known.add(bot.id)
                    group.create_task(self._calls_of(http, bot))
                seen = len(self.bots)
                await self.until(lambda seen=seen: len(self.bots) > seen, timeout=None)  # type: ignore[misc]  # mypy: lambda's default

    async def _calls_of(self, http: aiohttp.ClientSession, bot: Bot) -> None:
        while True:
            await self.until(lambda: bot.waiting and self.webhook_url, timeout=None)
            said = bot.waiting[0]
            request = self.signed(said)
            try:
                async with http.post(f"{self.webhook_url}{bot.id}", data=request.body, headers=request.headers) as answer:
                    taken = 200 <= answer.status < 300
            except aiohttp.ClientError:
                taken = False
            if taken:
                self.acknowledge(bot, said.id)
            else:
                await asyncio.sleep(PAUSE)
