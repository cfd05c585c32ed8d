"""MCP clients that find what there is, and are each broken in one way: in their manners, in what they make of failures, in the older transport. In a
module of their own, because other processes import them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from sympozium_core.contracts.mcp import Discovered, DiscoveredTool, Exchange, ExchangeAnswer, McpClient, McpServer
from sympozium_core.errors import SympoziumError, Temporary
from tests.testing.sound_mcp_client import WRONG, Found, SoundClient, SseTalk, Talk, whole

logger = logging.getLogger(__name__)


class OneNumber(SoundClient):
    class http(Talk):
        async def ask(self, method: str, params: Found | None = None) -> Found:
            self.number = 0
            return await super().ask(method, params)


class AcceptsOneKind(SoundClient):
    def headers(self, talk: Talk) -> dict[str, str]:
        return super().headers(talk) | {"accept": "application/json"}


class NeverReady(SoundClient):
    class http(Talk):
        async def tell(self, method: str) -> None:
            pass


class EndsNameless(SoundClient):
    async def bye(self, talk: Talk) -> None:
        async with talk.exchange("DELETE", talk.path, {"mcp-protocol-version": talk.version}, b""):
            pass


class OwnVersion(SoundClient):
    def headers(self, talk: Talk) -> dict[str, str]:
        return super().headers(talk) | ({"mcp-protocol-version": "2025-11-25"} if talk.version else {})


class LeavesSessions(SoundClient):
    async def bye(self, talk: Talk) -> None:
        pass


class EndsOnlyWell(SoundClient):
    async def bye(self, talk: Talk) -> None:
        pass

    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        await talk.end()
        return found


class MustEnd(SoundClient):
    async def bye(self, talk: Talk) -> None:
        if talk.session:
            async with talk.exchange("DELETE", talk.path, self.headers(talk), b"") as answer:
                await self.check(answer)


class EndsAnyway(SoundClient):
    async def bye(self, talk: Talk) -> None:
        async with talk.exchange("DELETE", talk.path, self.headers(talk), b""):
            pass


class Curious(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        with contextlib.suppress(SympoziumError):
            await talk.ask("prompts/list")
        return found


class Boasts(SoundClient):
    def hello(self) -> Found:
        return super().hello() | {"capabilities": {"sampling": {}}}


class MakesThingsUp(SoundClient):
    def refusal(self, asked: Found) -> Found:
        return {
            "jsonrpc": "2.0",
            "id": asked["id"],
            "result": {"role": "assistant", "content": {"type": "text", "text": "Yes"}},
        }


class NeverAnswers(SoundClient):
    async def first(self, talk: Talk, answer: ExchangeAnswer, number: int) -> Found:
        async for _, data in self.events(answer):
            found: Found = json.loads(data)
            if "method" not in found:
                return found
        raise ValueError("the stream ended")


class SendsHeaders(SoundClient):
    def headers(self, talk: Talk) -> dict[str, str]:
        return super().headers(talk) | {each.name.lower(): each.value for each in talk.server.headers}


class OwnPath(SoundClient):
    class http(Talk):
        def sent(self, message: Found) -> Any:
            self.path = self.path.rstrip("/")
            return super().sent(message)


class KeepsAStream(SoundClient):
    async def bye(self, talk: Talk) -> None:
        self.kept = talk.exchange("GET", talk.path, self.headers(talk), b"")
        await self.kept.__aenter__()
        await super().bye(talk)


class DeafToCancel(SoundClient):
    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        try:
            return await super().discover(server, exchange)
        except asyncio.CancelledError:
            return Discovered(())


class GoesOnWhenCancelled(SoundClient):
    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        self.task = asyncio.create_task(super().discover(server, exchange))
        return await asyncio.shield(self.task)


class LeavesATask(SoundClient):
    async def bye(self, talk: Talk) -> None:
        await super().bye(talk)
        self.task = asyncio.create_task(asyncio.Event().wait())


class OneSession(SoundClient):
    session = ""

    def headers(self, talk: Talk) -> dict[str, str]:
        type(self).session = talk.session or self.session
        return super().headers(talk) | ({"mcp-session-id": self.session} if talk.session else {})

    async def look(self, talk: Talk) -> Discovered:
        await asyncio.sleep(0)
        found = await super().look(talk)
        return found

    async def tools(self, talk: Talk) -> Sequence[Found]:
        await asyncio.sleep(0)
        talk.session = self.session
        return await super().tools(talk)


class Remembers(SoundClient):
    found: Discovered | None = None

    async def look(self, talk: Talk) -> Discovered:
        self.found = self.found or await super().look(talk)
        return self.found


class OwnWords(SoundClient):
    def failure(self, server: McpServer, words: str) -> SympoziumError:
        return super().failure(server, "it cannot be asked")


class Nameless(SoundClient):
    def failure(self, server: McpServer, words: str) -> SympoziumError:
        return Temporary(words)


class TakesFailureForNothing(SoundClient):
    async def tools(self, talk: Talk) -> Sequence[Found]:
        try:
            return await super().tools(talk)
        except (SympoziumError, *WRONG):
            return []


class LetsValuesThrough(SoundClient):
    wrong = (KeyError, TypeError, AttributeError, RecursionError, TimeoutError)


class LetsRecursionThrough(SoundClient):
    wrong = (ValueError, KeyError, TypeError, AttributeError, TimeoutError)


class ReadsAnyKind(SoundClient):
    async def first(self, talk: Talk, answer: ExchangeAnswer, number: int) -> Found:
        if answer.headers.get("content-type") == "text/event-stream":
            return await super().first(talk, answer, number)
        found: Found = json.loads(await whole(answer))
        return found


class TakesAnyId(SoundClient):
    def result(self, answer: Found, number: int) -> Found:
        return super().result(answer | {"id": number}, number)


class Patient(SoundClient):
    class http(Talk):
        async def ask(self, method: str, params: Found | None = None) -> Found:
            self.server = replace(self.server, timeout=3600)
            return await super().ask(method, params)


class AnyName(SoundClient):
    def tool(self, said: Found) -> DiscoveredTool:
        return super().tool(said | {"name": str(said["name"])})


class AnyVersion(SoundClient):
    def agreed(self, version: Any) -> str:
        return str(version)


class Follows(SoundClient):
    class http(Talk):
        async def answer_to(self, message: Found) -> Found:
            async with self.sent(message) as answer:
                if location := answer.headers.get("location"):
                    self.path = urlsplit(location).path
            return await super().answer_to(message)


class BearsAGrudge(SoundClient):
    failed = False

    async def look(self, talk: Talk) -> Discovered:
        if self.failed:
            raise Temporary("it failed before")
        self.failed = True
        found = await super().look(talk)
        self.failed = False
        return found


class ShowsTheAddress(SoundClient):
    def failure(self, server: McpServer, words: str) -> SympoziumError:
        return super().failure(server, f"{server.url}: {words}")


class ShowsHeaders(SoundClient):
    async def discover(self, server: McpServer, exchange: Exchange) -> Discovered:
        try:
            return await super().discover(server, exchange)
        except SympoziumError as error:
            raise error from ValueError(f"{server.headers}")


class LogsTheAddress(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        logger.info("asking %s", talk.server.url)
        return await super().look(talk)


class PathsOnly(SoundClient):
    def endpoint(self, server: McpServer, said: str) -> str:
        return said


class AnyOrigin(SoundClient):
    def endpoint(self, server: McpServer, said: str) -> str:
        to = urlsplit(urljoin(server.url, said))
        return f"{to.path}?{to.query}"


class KeepsTheStream(SoundClient):
    class sse(SseTalk):
        async def start(self) -> None:
            self.opened, self.exchange = self.exchange, self.keeping  # type: ignore[assignment]
            await super().start()

        def keeping(self, method: str, *more: Any) -> Any:
            made = self.opened(method, *more)
            return _Kept(made) if method == "GET" else made


class _Kept:
    """An exchange that nobody leaves."""

    def __init__(self, made: Any) -> None:
        self.made = made

    async def __aenter__(self) -> Any:
        return await self.made.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        KEPT.append(self.made)


KEPT: list[Any] = []
"""So that nothing is collected, and left for that."""


class EndOfStreamIsNothing(SoundClient):
    class sse(SseTalk):
        async def ask(self, method: str, params: Found | None = None) -> Found:
            try:
                return await super().ask(method, params)
            except ValueError:
                return {"tools": []}


class StatusOfAStreamUnseen(SoundClient):
    class sse(SseTalk):
        async def start(self) -> None:
            try:
                await super().start()
            except Temporary:
                raise ValueError("it answers with no stream") from None


class Unfinished(McpClient):
    adapter = "tests.testing.plain_adapter"
