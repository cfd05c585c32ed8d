"""The strict server of `socket_channel`."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from aiohttp import ClientConnectionResetError, web

from sympozium_core.testing.servers.chat import Bot
from tests.testing.calling_server import Vendor


class Server(Vendor):
    def __init__(self) -> None:
        super().__init__()
        self._tickets: dict[str, Bot] = {}

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        bot = self.bots.get(request.headers.get("X-Token", ""))
        if request.path.startswith("/socket/"):
            return await self._connect(request)
        if bot is None or request.path != "/socket":
            return await super().answer(request, body)
        ticket = f"ticket-{len(self._tickets)}"
        self._tickets[ticket] = bot
        return web.json_response({"url": f"ws://127.0.0.1:{self.port}/socket/{ticket}"})

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        bot = self._tickets.get(request.path.rpartition("/")[2])
        if bot is None:
            return self.refuse(404, "a ticket that is none")
        self._tickets = {ticket: other for ticket, other in self._tickets.items() if other is not bot}
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with suppress(ClientConnectionResetError):
            await socket.send_json({"hello": bot.name})
            telling = asyncio.create_task(self._tell_all(socket, bot))
            try:
                async for frame in socket:
                    self.acknowledge(bot, json.loads(frame.data)["ack"])
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        return socket

    async def _tell_all(self, socket: web.WebSocketResponse, bot: Bot) -> None:
        told: set[str] = set()
        while True:
            await self.until(lambda: [said for said in bot.waiting if said.id not in told], timeout=None)
            for said in [said for said in bot.waiting if said.id not in told]:
                told.add(said.id)
                await socket.send_json({"envelope": said.id, "payload": self.told(said)})
