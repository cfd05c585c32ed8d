"""A channel with nothing wrong with it, of a vendor that calls, by which `test_channel_bites` breaks what the template has not: signed calls, Markdown,
names of its own, reactions."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from sympozium_core.contracts.channel import Channel
from sympozium_core.contracts.channel_messages import (
    Abilities,
    ChannelError,
    Failure,
    InboundMessage,
    OutboundMessage,
    Reaction,
    WebAnswer,
    WebRequest,
)

MAX_ANSWER = 1024 * 1024
MAX_AGE = 300.0
FAILURES: dict[int, Failure] = {401: "auth", 429: "rate_limited", 400: "refused", 404: "refused", 413: "refused"}


class CallingChannel(Channel):
    abilities: ClassVar[Abilities] = Abilities(
        longest_text=300, counted_in="utf16", markdown=True, aliases=True, reactions=True
    )
    settings: ClassVar[Mapping[str, str]] = {"url": "https://calling.example.com", "look": "30"}
    called = True

    async def listen(self) -> None:
        while True:
            me = await self.ask("GET", "/me")
            self.connected(str(me.get("name")))
            await asyncio.sleep(float(self.setting("look")))

    async def post(self, message: OutboundMessage) -> str:
        body: dict[str, Any] = {"body": message.text, "style": "markdown" if message.markdown else "plain"}
        if message.alias:
            body["as"] = message.alias
        sent = await self.change(f"/chats/{message.chat}/messages", body)
        if not isinstance(sent.get("id"), str):
            raise ChannelError("unknown", "the service did not say which message it made")
        return str(sent["id"])

    async def mark(self, reaction: Reaction) -> None:
        await self.change(f"/chats/{reaction.chat}/reactions", {"message": reaction.message, "emoji": reaction.emoji})

    async def webhook(self, request: WebRequest) -> WebAnswer:
        stamp, signature = request.headers.get("x-stamp", ""), request.headers.get("x-signature", "")
        if request.method != "POST" or not stamp.isdigit() or len(stamp) > 12:
            return WebAnswer(400)
        key = self.credential("secret").encode()
        expected = hmac.new(key, stamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return WebAnswer(401)
        if abs(time.time() - int(stamp)) > MAX_AGE:
            return WebAnswer(401)
        message = read(request.body)
        if message is not None:
            await self.context.receive(message)
        return WebAnswer(200)

    async def change(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.ask("POST", path, json=body)
        except ChannelError as error:
            raise ChannelError("unknown", error.message) if error.failure == "garbage" else error from None

    async def ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        import aiohttp

        headers = {"X-Token": self.credential()}
        timeout = aiohttp.ClientTimeout(total=20)
        try:
            async with self.context.http.request(
                method, self.setting("url") + path, headers=headers, timeout=timeout, allow_redirects=False, **given
            ) as response:
                body = await response.content.read(MAX_ANSWER)
                while len(body) < MAX_ANSWER and (more := await response.content.read(MAX_ANSWER)):
                    body += more
        except aiohttp.ClientConnectorError:
            raise ChannelError("unavailable", "the service cannot be reached") from None
        except (aiohttp.ClientError, TimeoutError):
            raise ChannelError("garbage", "the service gave no answer") from None
        if response.status != 200:
            failure, after = FAILURES.get(response.status, "unavailable"), response.headers.get("Retry-After", "")
            raise ChannelError(failure, f"status {response.status}", retry_after=float(after) if after.isdigit() else None)
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise ChannelError("garbage", "the service answered with something else than JSON")
        return data


def read(body: bytes) -> InboundMessage | None:
    try:
        return message_of(json.loads(body))
    except (ValueError, RecursionError):
        return None


def message_of(told: Any) -> InboundMessage | None:
    """None for what is no message of a person."""
    try:
        message = told["message"]
        if message["robot"] is not False:
            return None
        return InboundMessage(
            id=message["id"],
            chat=message["chat"],
            sender=message["from"],
            sender_name=message["name"],
            text=message["body"],
            direct=message["direct"] is True,
            addressed=message["direct"] is True or message["meant"] is True,
        )
    except (KeyError, TypeError, ValueError):
        return None
