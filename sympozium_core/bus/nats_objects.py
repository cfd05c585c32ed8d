"""Artifacts in JetStream's object store: written by nats-py, read by our own pull, which a restart of the server does not hang."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from io import BufferedIOBase
from typing import IO, cast

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from nats.js.object_store import ObjectStore

from sympozium_core.bus import subjects
from sympozium_core.bus.nats_errors import translated
from sympozium_core.bus.nats_pull import Pull, stored
from sympozium_core.contracts.bus import BusUnavailable

_STREAM = f"OBJ_{subjects.BUCKET}"
_IN_MEMORY = 4 * 1024 * 1024


class Artifacts:
    def __init__(self, client: Client, context: JetStreamContext, pulls: set[Pull]) -> None:
        self._client, self._context, self._pulls = client, context, pulls
        self._bucket: ObjectStore | None = None

    async def put(self, name: str, data: AsyncIterator[bytes]) -> int:
        """nats-py reads from a file, so what does not fit into 4 MiB goes by way of a temporary one."""
        size = 0
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            async for chunk in data:
                size += len(chunk)
                await asyncio.to_thread(spool.write, chunk)
            spool.seek(0)
            bucket = await self._open()
            with translated("storing an artifact"):
                await bucket.put(name, cast(BufferedIOBase, _Readable(cast(IO[bytes], spool))))
        return size

    async def get(self, name: str) -> AsyncGenerator[bytes, None]:
        bucket = await self._open()
        with translated("reading an artifact"):
            try:
                info = await bucket.get_info(name)
            except NotFoundError:
                raise KeyError(name) from None
        wanted = base64.urlsafe_b64decode((info.digest or "").partition("=")[2])
        digest, size = hashlib.sha256(), 0
        if info.size:
            chunks = stored(self._client, self._context, _STREAM, f"$O.{subjects.BUCKET}.C.{info.nuid}", 0, 2**62, self._pulls)
            async with aclosing(chunks) as messages:
                async for message in messages:
                    digest.update(message.data)
                    size += len(message.data)
                    yield message.data
        if size != info.size or digest.digest() != wanted:
            raise BusUnavailable("an artifact was replaced or broken while it was read")

    async def delete(self, name: str) -> None:
        bucket = await self._open()
        with translated("deleting an artifact"):
            try:
                await bucket.delete(name)
            except NotFoundError:
                return

    async def _open(self) -> ObjectStore:
        if self._bucket is None:
            with translated("opening the bucket of the artifacts"):
                self._bucket = await self._context.object_store(subjects.BUCKET)
        return self._bucket


class _Readable:
    """All that nats-py asks of a file, which it otherwise knows by type; `SpooledTemporaryFile` is none of its types."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readinto(self, buffer: bytearray) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
