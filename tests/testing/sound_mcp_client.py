"""A small MCP client with nothing wrong with it, in steps that others break one at a time. Standard library only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urljoin, urlsplit

from sympozium_core.contracts.mcp import (
    MAX_PAGES,
    MAX_TOOLS,
    Annotations,
    Discovered,
    DiscoveredTool,
    Exchange,
    ExchangeAnswer,
    McpClient,
    McpServer,
)
from sympozium_core.errors import SympoziumError, Temporary

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
STATELESS, UNSUPPORTED = "2026-07-28", -32022
META = "io.modelcontextprotocol/"
STREAM = "text/event-stream"
ACCEPTED = f"application/json, {STREAM}"
HINTS = {
    "read_only": "readOnlyHint",
    "destructive": "destructiveHint",
    "idempotent": "idempotentHint",
    "open_world": "openWorldHint",
}
WRONG = (ValueError, KeyError, TypeError, AttributeError, RecursionError, TimeoutError)
Found = dict[str, Any]


class Said(Temporary):
    """An error that the server said."""

    def __init__(self, error: Found) -> None:
        super().__init__(str(error["message"]))
        self.code = error.get("code")


class Talk:
    """One session over streamable HTTP."""

    def __init__(self, client: SoundClient, server: McpServer, exchange: Exchange) -> None:
        self.client, self.server, self.exchange = client, server, exchange
        self.path = urlsplit(server.url).path
        self.session = self.version = ""
        self.number = 0
        self.stack = AsyncExitStack()

    async def start(self) -> None:
        """What comes before the first message."""

    async def ask(self, method: str, params: Found | None = None) -> Found:
        self.number += 1
        if self.version == STATELESS:
            meta = {f"{META}protocolVersion": STATELESS, f"{META}clientCapabilities": {}}
            params = (params or {}) | {"_meta": meta}
        message = self.client.message(method, params) | {"id": self.number}
        async with asyncio.timeout(self.server.timeout):
            return self.client.result(await self.answer_to(message), self.number)

    async def tell(self, method: str) -> None:
        await self.post(self.client.message(method, None))

    async def answer_to(self, message: Found) -> Found:
        async with self.sent(message) as answer:
            await self.client.check(answer)
            if message["method"] == "initialize":
                self.session = answer.headers.get("mcp-session-id", "")
            if answer.headers.get("content-type", "").startswith("application/json"):
                found: Found = json.loads(await whole(answer))
                return found
            return await self.client.first(self, answer, message["id"])

    async def post(self, message: Found) -> None:
        async with self.sent(message) as answer:
            await self.client.check(answer)

    def sent(self, message: Found) -> Any:
        named = {"mcp-method": message["method"]} if self.version == STATELESS else {}
        return self.exchange("POST", self.path, self.client.headers(self) | named, json.dumps(message).encode())

    async def end(self) -> None:
        if self.session:
            headers = self.client.headers(self)
            with contextlib.suppress(SympoziumError):
                async with self.exchange("DELETE", self.path, headers, b""):
                    pass


class SseTalk(Talk):
    """One over the older transport."""

    async def start(self) -> None:
        async with asyncio.timeout(self.server.timeout):
            opened = self.exchange("GET", self.path, {"accept": STREAM}, b"")
            answer = await self.stack.enter_async_context(opened)
            await self.client.check(answer)
            if answer.headers.get("content-type") != STREAM:
                raise ValueError("it answers with no stream")
            self.events = self.client.events(answer)
            async for kind, data in self.events:
                if kind == "endpoint":
                    self.path = self.client.endpoint(self.server, data)
                    return
            raise ValueError("the stream ended")

    async def answer_to(self, message: Found) -> Found:
        await self.post(message)
        async for _, data in self.events:
            found: Found = json.loads(data)
            if found.get("id") == message["id"] and "method" not in found:
                return found
        raise ValueError("the stream ended")


class SoundClient(McpClient):
    adapter = "tests.testing.plain_adapter"
    http: type[Talk] = Talk
    sse: type[Talk] = SseTalk
    wrong: tuple[type[Exception], ...] = WRONG

    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        talk = (self.sse if server.transport == "sse" else self.http)(self, server, exchange)
        try:
            async with talk.stack:
                await talk.start()
                try:
                    return await self.look(talk)
                finally:
                    await self.bye(talk)
        except SympoziumError as error:
            raise self.failure(server, str(error)) from None
        except self.wrong as error:
            raise self.failure(server, str(error) or type(error).__name__) from None

    async def look(self, talk: Talk) -> Discovered:
        said = await self.greeted(talk)
        tools = await self.tools(talk) if "tools" in said["capabilities"] else []
        return Discovered(tuple(map(self.tool, tools)), talk.version, self.software(said))

    async def greeted(self, talk: Talk) -> Found:
        try:
            said = await talk.ask("initialize", self.hello())
        except Said as error:
            if error.code != UNSUPPORTED:
                raise
            talk.version = STATELESS
            return await talk.ask("server/discover")
        talk.version = self.agreed(said["protocolVersion"])
        await talk.tell("notifications/initialized")
        return said

    async def bye(self, talk: Talk) -> None:
        await talk.end()

    def failure(self, server: McpServer, words: str) -> SympoziumError:
        return Temporary(f"MCP server {server.name}: {words}", reason="ToolError")

    def message(self, method: str, params: Found | None) -> Found:
        return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}

    def hello(self) -> Found:
        return {"protocolVersion": VERSIONS[0], "capabilities": {}, "clientInfo": {"name": "sound", "version": "1"}}

    def headers(self, talk: Talk) -> dict[str, str]:
        sent = {"content-type": "application/json", "accept": ACCEPTED}
        if talk.session:
            sent["mcp-session-id"] = talk.session
        if talk.version:
            sent["mcp-protocol-version"] = talk.version
        return sent

    def agreed(self, version: Any) -> str:
        if version not in VERSIONS:
            raise ValueError(f"version {version!r} is not known here")
        return str(version)

    def software(self, said: Found) -> str:
        info = said.get("serverInfo") or said["_meta"][f"{META}serverInfo"]
        return f"{info['name']} {info['version']}"

    async def check(self, answer: ExchangeAnswer) -> None:
        if 200 <= answer.status < 300:
            return
        said = await whole(answer)
        with contextlib.suppress(*WRONG):
            raise Said(json.loads(said)["error"])
        raise Temporary(f"the server answers with HTTP status {answer.status}")

    def result(self, answer: Found, number: int) -> Found:
        if answer.get("jsonrpc") != "2.0" or answer.get("id") != number:
            raise ValueError("that is no answer to what was asked")
        if "error" in answer:
            raise Said(answer["error"])
        found: Found = answer["result"]
        return found

    async def first(self, talk: Talk, answer: ExchangeAnswer, number: int) -> Found:
        """The answer in a stream."""
        if answer.headers.get("content-type") != STREAM:
            raise ValueError("it answers with neither JSON nor a stream")
        async for _, data in self.events(answer):
            found: Found = json.loads(data)
            if "method" not in found:
                return found
            if "id" in found:
                await talk.post(self.refusal(found))
        raise ValueError("the stream ended without an answer")

    def refusal(self, asked: Found) -> Found:
        return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "not here"}}

    async def events(self, answer: ExchangeAnswer) -> AsyncIterator[tuple[str, str]]:
        lines: list[str] = []
        async for line in self.lines(answer):
            if line:
                lines.append(line)
                continue
            fields = [each.partition(":") for each in lines if not each.startswith(":")]
            data = [value.removeprefix(" ") for name, _, value in fields if name == "data"]
            kind = next((value.strip() for name, _, value in fields if name == "event"), "message")
            lines = []
            if data:
                yield kind, "\n".join(data)

    async def lines(self, answer: ExchangeAnswer) -> AsyncIterator[str]:
        """An end of one byte may be the first half of one of two, so what follows it decides; a lone CR at the very end is taken as one at once."""
        rest, skip = b"", False
        async for piece in answer.pieces():
            for byte in re.findall(rb"\r|\n|[^\r\n]+", piece):
                if byte in (b"\r", b"\n"):
                    if not (byte == b"\n" and skip):
                        yield rest.decode()
                        rest = b""
                    skip = byte == b"\r"
                else:
                    rest, skip = rest + byte, False

    def endpoint(self, server: McpServer, said: str) -> str:
        whole_url = urlsplit(urljoin(server.url, said))
        if whole_url[:2] != urlsplit(server.url)[:2]:
            raise ValueError("it names another server's address for messages")
        return f"{whole_url.path}?{whole_url.query}"

    async def tools(self, talk: Talk) -> Sequence[Found]:
        found: list[Found] = []
        cursor: Any = None
        for _ in range(self.most_pages()):
            page = await talk.ask("tools/list", self.where(cursor))
            found += self.listed(page["tools"])
            cursor = page.get("nextCursor")
            if cursor is None or len(found) >= self.most_tools():
                break
        return found[: self.most_tools()]

    def most_pages(self) -> int:
        return MAX_PAGES

    def most_tools(self) -> int:
        return MAX_TOOLS

    def where(self, cursor: Any) -> Found | None:
        return None if cursor is None else {"cursor": cursor}

    def listed(self, tools: Any) -> list[Found]:
        if not isinstance(tools, list):
            raise ValueError("tools are a list")
        return tools

    def tool(self, said: Found) -> DiscoveredTool:
        name, description = said["name"], said.get("description")
        if not isinstance(name, str) or not isinstance(description, str | None):
            raise ValueError("a tool has a name, and a description in words")
        return DiscoveredTool(name, description or "", self.annotations(said.get("annotations") or {}))

    def annotations(self, said: Mapping[str, Any]) -> Annotations:
        told = {ours: said[theirs] for ours, theirs in HINTS.items() if said.get(theirs) is not None}
        if not all(isinstance(value, bool) for value in told.values()):
            raise ValueError("a hint is true or false")
        return Annotations(**told)


async def whole(answer: ExchangeAnswer) -> bytes:
    return b"".join([piece async for piece in answer.pieces()])
