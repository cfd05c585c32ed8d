from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sympozium_provider_openai.provider import OpenAIProvider
from sympozium_provider_replay.provider import ReplayProvider

from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider, ProviderContext
from sympozium_core.testing.provider_case import Collected, tool
from sympozium_core.testing.servers.openai import OpenAIServer
from sympozium_core.testing.servers.script import Answer, Conversation, Script, ToolCall

Twist = Callable[[int, dict[str, Any]], None]
TURNS = (
    Answer("Let me look.", tool_calls=(ToolCall("look", '{"path": "/workspace"}'), ToolCall("now", "{}")), reasoning="hm"),
    Answer("Two files: ä 🙂.\n\n- a.txt \n- b.txt\n", prompt_tokens=40, completion_tokens=9),
)


@dataclass
class Desk:
    """A live model, a replay provider before it, and a client that holds one conversation as an agent does."""

    server: OpenAIServer
    replay: ReplayProvider
    tape: Path
    opened: list[str] = field(default_factory=list)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(str(self.tape), credentials=self.server.credentials)

    def blank(self, **fields: Any) -> None:
        """A cassette to record on; JSON is YAML."""
        record = {"provider": "openai", "model": self.server.model, "baseURL": self.server.base_url}
        self.tape.write_text(json.dumps({"cassette": 1, "record": record, "entries": [], **fields}))

    async def ask(
        self, messages: Sequence[dict[str, Any]], run: str, *, endpoint: Endpoint | None = None, **body: Any
    ) -> Collected:
        collected = Collected()
        asked = {"model": "whatever", "messages": list(messages), **body}
        chunks: AsyncIterator[Chunk] = self.replay.chat(endpoint or self.endpoint, ChatRequest(asked, 10.0, run_uid=run))
        async for chunk in chunks:
            collected.add(chunk)
        return collected

    async def converse(self, run: str, *, twist: Twist | None = None, endpoint: Endpoint | None = None) -> list[Collected]:
        """Asks until there is no tool call any more. `twist` changes the request of a turn."""
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "Be\nbrief."},
            {"role": "user", "content": "What is there?"},
        ]
        tools = [tool("look", path="string"), tool("now")]
        answers: list[Collected] = []
        while True:
            body: dict[str, Any] = {"messages": [dict(m) for m in messages], "tools": tools, "temperature": 0.5}
            if twist:
                twist(len(answers), body)
            answers.append(await self.ask(run=run, endpoint=endpoint, **body))
            messages.append(answers[-1].message)
            if not answers[-1].calls:
                return answers
            for number, call in sorted(answers[-1].calls.items()):
                messages.append(
                    {"role": "tool", "tool_call_id": call["id"], "content": f"result {number}\nof {call['name']}\n"}
                )


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    script = Script((Conversation(TURNS),))
    async with OpenAIServer(script=script) as server, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        live, replay = OpenAIProvider(), ReplayProvider()
        made = Desk(server, replay, tmp_path / "tape.yaml")

        async def provider(name: str) -> Provider:
            made.opened.append(name)
            return live

        await live.open(ProviderContext(http))
        await replay.open(ProviderContext(http, provider, tmp_path))
        yield made
