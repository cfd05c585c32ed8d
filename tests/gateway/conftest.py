"""A gateway on the embedded bus, with a provider that streams what the test says; calls are made as a bridge makes them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call
from sympozium_core.bus.journal import Journal, read_entries
from sympozium_core.clock import SystemClock
from sympozium_core.contracts.provider import ChatRequest, Chunk, Endpoint, Provider
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.gateway.fetch import Fetches
from sympozium_core.gateway.model import Gateway
from sympozium_core.gateway.target import ModelTarget

UID = "run-uid-1"


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> Chunk:
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def text(*pieces: str, usage: bool = True) -> list[Any]:
    told = [{"id": "x", "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}]
    return [*(chunk({"content": piece}) for piece in pieces), chunk({}, "stop"), *(told if usage else [])]


class Scripted(Provider):
    """`answers` are taken in order: chunks, errors among them, and events that are waited for."""

    def __init__(self) -> None:
        self.answers: list[list[Any]] = []
        self.requests: list[ChatRequest] = []
        self.endpoints: list[Endpoint] = []
        self.ended = 0

    async def chat(self, endpoint: Endpoint, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        self.endpoints.append(endpoint)
        answer = self.answers.pop(0)
        try:
            for item in answer:
                if isinstance(item, Exception):
                    raise item
                if isinstance(item, asyncio.Event):
                    await item.wait()
                    continue
                yield item
        finally:
            self.ended += 1


class Side:
    """The bus, and any number of gateways over it."""

    chunk = staticmethod(chunk)
    text = staticmethod(text)

    def __init__(self, bus: EmbeddedBus) -> None:
        self.bus = bus
        self.provider = Scripted()
        self.gateways: list[Gateway] = []
        self.target = ModelTarget("scripted", Endpoint("real-model"), 1, time.time() + 30)
        self.refuse: Exception | None = None
        self.fetches: Fetches | None = None

    async def gateway(self) -> Gateway:
        gateway = Gateway(self.bus, self._resolve, self, SystemClock(), self.fetches.answer if self.fetches else None)
        await gateway.start()
        self.gateways.append(gateway)
        return gateway

    async def get(self, name: str, private: tuple[str, ...]) -> Provider:
        return self.provider

    async def _resolve(self, uid: str, attempt: int) -> ModelTarget:
        if self.refuse:
            raise self.refuse
        return self.target

    def body(self, *messages: Any, **more: Any) -> dict[str, Any]:
        return {"model": "whatever", "messages": list(messages) or [{"role": "user", "content": "hi"}], "stream": True, **more}

    def call(self, body: Any, *, window: int = 32, **more: Any) -> AsyncGenerator[bytes, None]:
        data = json.dumps({"attempt": self.target.attempt, "ordinal": 0, "body": body, **more}).encode()
        return call(self.bus, subjects.request(UID, subjects.MODEL), data, deadline=time.time() + 20, window=window)

    async def ask(self, body: Any, **more: Any) -> list[dict[str, Any]]:
        async with aclosing(self.call(body, **more)) as items:
            return [frame async for item in items for frame in json.loads(item)]

    async def request(self, what: str, data: bytes) -> Any:
        async with aclosing(call(self.bus, subjects.request(UID, what), data, deadline=time.time() + 20)) as items:
            return json.loads(b"".join([item async for item in items]))

    async def entries(self, kind: str = "") -> list[dict[str, Any]]:
        found = [entry async for _, _, entry in read_entries(self.bus, UID, who=subjects.GATEWAY)]
        return [entry for entry in found if not kind or entry["type"] == kind]

    async def pod(self, *entries: Mapping[str, Any]) -> None:
        journal = await Journal.open(self.bus, subjects.journal(UID, subjects.POD), attempt=1)
        for entry in entries:
            await journal.append(entry)

    async def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end
            await asyncio.sleep(0.005)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    side = Side(await EmbeddedBus.open(tmp_path))
    yield side
    for gateway in side.gateways:
        await gateway.close()
    await side.bus.close()
