"""The strict server of `calling_channel`; of `socket_channel` what is not about sockets."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from aiohttp import web

from sympozium_core.contracts.channel_messages import WebRequest
from sympozium_core.contracts.channel_text import measure
from sympozium_core.testing.servers.chat import Arrived, Bot, ChatServer, Marked, Said, Way
from sympozium_core.testing.servers.chat_calls import CallingServer


class Vendor(ChatServer):
    """What its two ways of telling of messages have in common."""

    def settings(self) -> Mapping[str, str]:
        return {"url": self.address, "look": "0.2"}

    def way(self, request: web.Request) -> Way:
        return "send" if request.method == "POST" else "receive"

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        bot = self.bots.get(request.headers.get("X-Token", ""))
        if bot is None:
            return self.refuse(401, "a token that is none")
        words = request.path.strip("/").split("/")
        if (request.method, words) == ("GET", ["me"]):
            return web.json_response({"id": bot.id, "name": bot.name})
        if request.method != "POST" or len(words) != 3 or words[1] not in (self.group, self.other_group, self.direct):
            return self.refuse(404, f"{request.method} {request.path}")
        data = json.loads(body)
        if words[2] == "reactions" and set(data) == {"message", "emoji"} and data["message"] in [s.id for s in bot.inbox]:
            self.react(Marked(bot.id, words[1], data["message"], data["emoji"]))
            return web.json_response({})
        return self._sent(bot, words[1], data) if words[2] == "messages" else self.refuse(404, str(data))

    def _sent(self, bot: Bot, chat: str, data: dict[str, Any]) -> web.StreamResponse:
        if not {"body", "style"} <= set(data) <= {"body", "style", "as"} or data["style"] not in ("plain", "markdown"):
            return self.refuse(400, f"no message: {data}")
        if measure(data["body"], "utf16") > 300:
            return self.refuse(413, "a text of more than 300 units")
        message = Arrived(bot.id, "", chat, data["body"], markdown=data["style"] == "markdown", alias=data.get("as", ""))
        return web.json_response({"id": self.take(message)})

    def refusal(self, status: int) -> web.Response:
        return web.json_response({"error": f"status {status}"}, status=status)

    def junk(self) -> Sequence[object]:
        whole = self._written(Said("junk-1", self.group, self.person, self.person_name, "junk"))
        return [[], {"edited": whole}, {"message": None}, *({"message": {**whole, key: 7}} for key in ("id", "chat", "body"))]

    def told(self, said: Said) -> object:
        return {"message": self._written(said)} if said.junk is None else said.junk

    def _written(self, said: Said) -> dict[str, Any]:
        robot = said.by_bot or said.sender in [bot.id for bot in self.bots.values()]
        meant = any(bot.id in said.mentions for bot in self.bots.values())
        return {
            "id": said.id,
            "chat": said.chat,
            "from": said.sender,
            "name": said.sender_name,
            "body": said.text,
            "robot": robot,
            "direct": said.chat == self.direct,
            "meant": meant,
        }


class Server(Vendor, CallingServer):
    signature_headers: ClassVar[tuple[str, ...]] = ("x-stamp", "x-signature")

    def credentials(self, bot: Bot) -> dict[str, str]:
        return {"token": bot.token, "secret": self.secret}

    def signed(self, said: Said, *, secret: str = "", age: float = 0.0) -> WebRequest:
        body = json.dumps(self.told(said)).encode()
        stamp = str(int(time.time() - age))
        signature = hmac.new((secret or self.secret).encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return replace(WebRequest("POST", "/", body=body), headers={"x-stamp": stamp, "x-signature": signature})
