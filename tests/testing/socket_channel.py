"""A channel with nothing wrong with it, of a vendor that tells of messages over a web socket: to show that the suite fits such a one too."""

from __future__ import annotations

import json

from sympozium_core.contracts.channel_messages import ChannelError, WebAnswer, WebRequest
from tests.testing.calling_channel import CallingChannel, message_of


class SocketChannel(CallingChannel):
    called = False

    async def listen(self) -> None:
        import aiohttp

        # The token is shown to the service alone; the address that it gives back is good for one connection.
        url = str((await self.ask("GET", "/socket")).get("url"))
        try:
            async with self.context.http.ws_connect(url, heartbeat=10.0) as socket:
                await self.converse(socket)
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
            raise ChannelError("unavailable", "the connection to the service is lost") from None

    async def converse(self, socket: object) -> None:
        import aiohttp

        assert isinstance(socket, aiohttp.ClientWebSocketResponse)
        async for frame in socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            told = json.loads(frame.data)
            if isinstance(told, dict) and isinstance(told.get("hello"), str):
                self.connected(told["hello"])
            elif isinstance(told, dict) and isinstance(told.get("envelope"), str):
                message = message_of(told.get("payload"))
                if message is not None:
                    await self.context.receive(message)
                await socket.send_json({"ack": told["envelope"]})

    async def webhook(self, request: WebRequest) -> WebAnswer:
        return WebAnswer(404)
