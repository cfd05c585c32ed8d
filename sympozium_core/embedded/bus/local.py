"""The bus of `sympozium serve`: the contract on one SQLite file and a folder of artifacts, for the tasks of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path

from sympozium_core.bus import validation
from sympozium_core.bus.subjects import matches
from sympozium_core.contracts.bus import Ack, Bus, BusUnavailable, Consumer, Message, Subscription
from sympozium_core.embedded.bus.artifacts import ArtifactStore
from sympozium_core.embedded.bus.consumers import Durable, EmbeddedConsumer
from sympozium_core.embedded.bus.limits import BusLimits
from sympozium_core.embedded.bus.reader import Reader
from sympozium_core.embedded.bus.router import Router
from sympozium_core.embedded.bus.store import Append, MessageStore
from sympozium_core.embedded.bus.tail import Tail
from sympozium_core.embedded.bus.writer import BusWriter

_PURGE_SLICE = 500
"""Messages removed in one job, so that appends go on between."""


class EmbeddedBus(Bus):
    """Made by `open`, for one event loop. One process only may have the folder open; the lock of the data directory sees to that."""

    def __init__(self, store: MessageStore, reader: Reader, artifacts: ArtifactStore, limits: BusLimits) -> None:
        self.max_payload = limits.max_payload
        self.router = Router()
        self._tail = Tail(store.sequence)
        self._writer = BusWriter(store, self._stored)
        self._reader, self._artifacts = reader, artifacts
        self._durables: dict[str, Durable] = {}
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, directory: Path, *, limits: BusLimits | None = None) -> EmbeddedBus:
        """Opens or makes ``bus.db`` and ``artifacts/`` in the folder. Raises Permanent for a file of another format."""
        limits = limits or BusLimits()
        path = directory / "bus.db"
        store = await asyncio.to_thread(MessageStore, path, limits)
        artifacts = await asyncio.to_thread(ArtifactStore, directory / "artifacts", limits.max_artifact_bytes)
        return cls(store, Reader(path), artifacts, limits)

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        expected_last: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Ack:
        validation.check_stored(subject)
        validation.check_headers(headers)
        validation.check_message_id(message_id)
        validation.check_payload(data, self.max_payload)
        append = Append(subject, bytes(data), expected_last, message_id, headers or {})
        return (await self._writer.submit(lambda store: store.append(append))).ack

    async def last(self, subject: str) -> Message | None:
        validation.check_stored(subject)
        uid, who = validation.check_filter(subject)
        return await self._reader.last(uid, who)

    async def read(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        uid, who = validation.check_filter(subject)
        async for message in self._reader.pages(uid, who, after, self._tail.high):
            yield message

    async def follow(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        uid, who = validation.check_filter(subject)
        while True:
            high = self._tail.high
            recent = self._tail.since(after)
            if recent is not None:
                for message in recent:
                    if matches(subject, message.subject):
                        yield message
            else:
                async for message in self._reader.pages(uid, who, after, high):
                    yield message
            after = max(after, high)
            await self._tail.wait(after)

    async def consumer(
        self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256, ahead: int = 1
    ) -> Consumer:
        validation.check_consumer(name)
        validation.check_filter(subject)
        async with self._opening:
            durable = self._durables.get(name)
            if durable is None or durable.subject != subject:
                opened = Durable(name, subject, self._writer, self._reader, self._tail)
                await opened.open()
                durable = self._durables[name] = opened
        durable.ack_wait, durable.max_pending = ack_wait, max_pending
        return EmbeddedConsumer(durable)

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        validation.check_not_stored(subject)
        if reply:
            validation.check_subject(reply)
        validation.check_headers(headers)
        validation.check_payload(data, self.max_payload)
        self._check_open()
        self.router.route(Message(subject, bytes(data), dict(headers or {}), reply=reply))

    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        validation.check_pattern(subject)
        self._check_open()
        return self.router.subscribe(subject, queue)

    async def put_object(self, name: str, data: AsyncIterator[bytes]) -> int:
        validation.check_object_name(name)
        return await self._artifacts.put(name, data)

    async def get_object(self, name: str) -> AsyncGenerator[bytes, None]:
        validation.check_object_name(name)
        async for chunk in self._artifacts.get(name):
            yield chunk

    async def delete_object(self, name: str) -> None:
        validation.check_object_name(name)
        await self._artifacts.delete(name)

    async def purge(self, subject: str) -> None:
        uid, who = validation.check_filter(subject)
        removed = _PURGE_SLICE
        while removed == _PURGE_SLICE:
            removed = await self._writer.submit(lambda store: store.purge(uid, who, _PURGE_SLICE))
        self._tail.forget(subject)
        for durable in self._durables.values():
            durable.purged(subject)

    async def close(self) -> None:
        """Finishes the appends under way; everybody who listens or follows is let go."""
        if not self._closed:
            self._closed = True
            self._tail.close()
            for durable in self._durables.values():
                durable.close()
            self.router.close()
        await self._writer.close()
        await self._reader.close()

    def _check_open(self) -> None:
        if self._closed:
            raise BusUnavailable("the bus is closed")

    def _stored(self, messages: list[Message]) -> None:
        self._tail.add(messages)
        for durable in self._durables.values():
            durable.wake_soon()
        for message in messages:
            self.router.route(Message(message.subject, message.data, message.headers))
