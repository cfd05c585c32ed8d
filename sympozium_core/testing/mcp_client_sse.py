"""Part of `mcp_client.McpClientContract`: the older transport, in which all that a server says comes in one stream, and messages go to an address that it names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sympozium_core.testing.mcp_client_server import STREAM, Answer, ProtocolServer, Seen, Stall, event, stream, tool, whole

if TYPE_CHECKING:
    from sympozium_core.testing.mcp_client_case import McpCase

MESSAGES = "/messages"
ENDPOINTS = {
    "a-path": f"{MESSAGES}?session=a%2Fb",
    "relative": "messages?session=a%2Fb",
    "whole": f"https://tools.example{MESSAGES}?session=a%2Fb",
}


@dataclass
class _Queued(Answer):
    """The stream, with what is said later."""

    queue: asyncio.Queue[bytes | None] | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        assert self.queue is not None
        async for piece in super().pieces():
            yield piece
        while (said := await self.queue.get()) is not None:
            yield said


class SseServer(ProtocolServer):
    path = "/sse"
    url = f"https://tools.example{path}"

    def __init__(self, *tools: Any, **more: Any) -> None:
        super().__init__(*tools, **more)
        self.version = "2024-11-05"
        self.endpoint = ENDPOINTS["a-path"]
        self.endless = True
        """Whether its stream stays open; otherwise it ends after the first list."""
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    @property
    def places(self) -> Sequence[str]:
        return (self.path, MESSAGES)

    def rules(self, seen: Seen) -> Iterable[str]:
        if seen.verb == "GET" and (seen.path.partition("?")[0] != self.path or STREAM not in seen.headers.get("accept", "")):
            yield f"one opens {self.path} as {STREAM}"
        if seen.verb == "POST" and seen.path != ENDPOINTS["a-path"]:
            yield f"messages go to {ENDPOINTS['a-path']}, as it was said"
        if seen.verb not in ("GET", "POST"):
            yield f"nothing is known of {seen.verb}"

    async def answer(self, seen: Seen) -> Answer:
        if seen.verb == "GET":
            return _Queued(200, {"content-type": STREAM}, [event(self.endpoint, kind="endpoint")], self._queue)
        if "id" in seen.message and "method" in seen.message:
            if seen.method == "tools/list" and not self.endless:
                self._queue.put_nowait(None)
            else:
                self._queue.put_nowait(event(self.found(seen.message)))
        return Answer(202, {"content-type": "text/plain"}, [b"Accepted"])


class SseChecks:
    @pytest.mark.parametrize("form", ENDPOINTS)
    async def test_the_older_transport_is_spoken(self, case: McpCase, form: str) -> None:
        wire = SseServer(tool("add", "Adds."), tool("wipe"))
        wire.endpoint = ENDPOINTS[form]
        found = await case.discover(wire)
        assert [(each.name, each.description) for each in found.tools] == [("add", "Adds."), ("wipe", "")]
        assert found.protocol == "2024-11-05"

    async def test_pages_of_the_older_transport_are_all_asked_for(self, case: McpCase) -> None:
        wire = SseServer()
        wire.pages = [[tool("one")], [tool("two")], [tool("three")]]
        assert await case.names(wire) == ["one", "two", "three"]

    async def test_messages_of_the_older_transport_stay_with_the_server(self, case: McpCase) -> None:
        """A server may not have its messages, and the credentials that go with them, sent elsewhere."""
        wire = SseServer(tool("add"))
        wire.endpoint = f"https://elsewhere.example{ENDPOINTS['a-path']}"
        await case.failure(wire)
        assert wire.methods == ["GET"], "messages went to an address that is another server's"

    async def test_the_stream_of_the_older_transport_is_left(self, case: McpCase) -> None:
        wire = SseServer(tool("add"))
        assert await case.names(wire) == ["add"]
        assert wire.open == 0, "its stream is still open"

    async def test_a_stream_of_the_older_transport_that_ends_is_a_failure(self, case: McpCase) -> None:
        wire = SseServer(tool("add"))
        wire.endless = False
        await case.failure(wire)
        assert wire.open == 0

    @pytest.mark.parametrize("way", ["refused", "no-stream", "messages-refused", "no-endpoint"])
    async def test_failures_of_the_older_transport_are_errors(self, case: McpCase, way: str) -> None:
        wire = SseServer(tool("add"))
        wire.instead = {
            "refused": {"GET": lambda seen: Answer(401, {"content-type": "text/plain"}, [b"who are you?"])},
            "no-stream": {"GET": lambda seen: whole({})},
            "messages-refused": {"tools/list": lambda seen: Answer(500)},
            "no-endpoint": {"GET": lambda seen: stream(b": nothing\n\n")},
        }[way]
        error = await case.failure(wire)
        assert wire.open == 0
        assert way != "refused" or "401" in str(error), f"it does not say what the server answers: {error}"

    async def test_cancelling_leaves_the_stream_of_the_older_transport(self, case: McpCase) -> None:
        wire = SseServer(tool("add"), instead={"GET": lambda seen: stream(Stall())})
        task = asyncio.create_task(case.client.discover(case.plan(wire), wire))
        await wire.until(lambda: "GET" in wire.methods, "its stream is opened", case.seconds)
        task.cancel()
        await asyncio.wait([task], timeout=case.seconds)
        assert task.cancelled(), "it goes on although it was cancelled"
        assert wire.open == 0
