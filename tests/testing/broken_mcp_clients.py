"""MCP clients that are each broken in one way. In a module of their own, because other processes import them."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sympozium_core.contracts.mcp import Annotations, Discovered, DiscoveredTool, ExchangeAnswer
from sympozium_core.errors import SympoziumError, Temporary
from tests.testing.sound_mcp_client import Found, SoundClient, Talk, whole

logger = logging.getLogger(__name__)


class SortsTools(SoundClient):
    async def tools(self, talk: Talk) -> Sequence[Found]:
        return sorted(await super().tools(talk), key=lambda said: str(said["name"]))


class ListOfTools(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        return replace(found, tools=list(found.tools))  # type: ignore[arg-type]


class Prefixes(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        return replace(found, tools=tuple(replace(tool, name=f"{talk.server.prefix}_{tool.name}") for tool in found.tools))


class Filters(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        return replace(found, tools=tuple(tool for tool in found.tools if talk.server.lists(tool.name)))


class OneLine(SoundClient):
    def tool(self, said: Found) -> DiscoveredTool:
        found = super().tool(said)
        return replace(found, description=" ".join(found.description.split()))


class CutsDescriptions(SoundClient):
    def tool(self, said: Found) -> DiscoveredTool:
        found = super().tool(said)
        return replace(found, description=found.description[:1024])


class NameForDescription(SoundClient):
    def tool(self, said: Found) -> DiscoveredTool:
        found = super().tool(said)
        return replace(found, description=found.description or found.name)


class NoAnnotations(SoundClient):
    def annotations(self, said: Mapping[str, Any]) -> Annotations:
        return Annotations()


class Trusting(SoundClient):
    def annotations(self, said: Mapping[str, Any]) -> Annotations:
        return super().annotations({"destructiveHint": False, **said})


class NullIsNo(SoundClient):
    def annotations(self, said: Mapping[str, Any]) -> Annotations:
        return super().annotations({hint: bool(value) for hint, value in said.items() if hint.endswith("Hint")})


class KnownFieldsOnly(SoundClient):
    def tool(self, said: Found) -> DiscoveredTool:
        if said.keys() - {"name", "title", "description", "inputSchema", "annotations"}:
            raise ValueError("that is no tool")
        return super().tool(said)


class FirstPage(SoundClient):
    def most_pages(self) -> int:
        return 1


class EndsAtAnEmptyPage(SoundClient):
    async def tools(self, talk: Talk) -> Sequence[Found]:
        found: list[Found] = []
        page = await talk.ask("tools/list")
        while page["tools"]:
            found += page["tools"]
            if "nextCursor" not in page:
                break
            page = await talk.ask("tools/list", {"cursor": page["nextCursor"]})
        return found


class TidiesCursors(SoundClient):
    def where(self, cursor: Any) -> Found | None:
        return None if cursor is None else {"cursor": cursor.strip()}


class NullCursor(SoundClient):
    def where(self, cursor: Any) -> Found | None:
        return {"cursor": cursor}


class EveryPage(SoundClient):
    def most_pages(self) -> int:
        return 1 << 30


class EveryTool(SoundClient):
    def most_tools(self) -> int:
        return 1 << 30


class SmallAnswers(SoundClient):
    def result(self, answer: Found, number: int) -> Found:
        if len(json.dumps(answer)) > 1 << 20:
            raise ValueError("the answer is too long")
        return super().result(answer, number)


class AsksAlways(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        if not found.tools:
            with contextlib.suppress(SympoziumError):
                await talk.ask("tools/list")
        return found


class WantsTools(SoundClient):
    async def look(self, talk: Talk) -> Discovered:
        found = await super().look(talk)
        if not found.tools:
            raise Temporary("it has no tools")
        return found


class JsonOnly(SoundClient):
    async def first(self, talk: Talk, answer: ExchangeAnswer, number: int) -> Found:
        raise ValueError("it answers with a stream")


class LineFeeds(SoundClient):
    async def lines(self, answer: ExchangeAnswer) -> AsyncIterator[str]:
        for line in (await whole(answer)).decode().split("\n"):
            yield line


class WantsAKind(SoundClient):
    async def events(self, answer: ExchangeAnswer) -> AsyncIterator[tuple[str, str]]:
        said = (await whole(answer)).decode().replace("\r\n", "\n")
        for block in said.split("\n\n"):
            if block.startswith("event: message\ndata: "):
                yield "message", block.removeprefix("event: message\ndata: ")


class DecodesPieces(SoundClient):
    async def lines(self, answer: ExchangeAnswer) -> AsyncIterator[str]:
        said = [piece.decode("utf-8", "replace") async for piece in answer.pieces()]
        for line in "".join(said).replace("\r\n", "\n").split("\n"):
            yield line


class FirstOfTheId(SoundClient):
    async def first(self, talk: Talk, answer: ExchangeAnswer, number: int) -> Found:
        async for _, data in self.events(answer):
            found: Found = json.loads(data)
            if found.get("id") == number:
                return found
        raise ValueError("the stream ended")


class NamesOnly(SoundClient):
    def software(self, said: Found) -> str:
        return super().software(said).split()[0]


class NewestOnly(SoundClient):
    def agreed(self, version: Any) -> str:
        if version != "2025-11-25":
            raise ValueError("that is too old")
        return str(version)


class HandshakeOnly(SoundClient):
    async def greeted(self, talk: Talk) -> Found:
        said = await talk.ask("initialize", self.hello())
        talk.version = self.agreed(said["protocolVersion"])
        await talk.tell("notifications/initialized")
        return said
