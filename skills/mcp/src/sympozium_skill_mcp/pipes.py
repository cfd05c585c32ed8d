"""MCP over two named pipes, whose other ends are the standard streams of a program in another container: one message a line."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

RETRY = 0.1
MAX_LINE = 16 * 1024 * 1024


@asynccontextmanager
async def pipe_client(heard: str, said: str) -> AsyncIterator[tuple[Any, Any]]:
    """A transport of the SDK's. `heard` is the pipe that the program writes to, `said` the one that it reads. Waits until the program is there;
    ends, for whoever reads, when it goes."""
    reader_end = os.open(heard, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        writer_end = await _open_for_writing(said)
    except BaseException:
        os.close(reader_end)
        raise
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=MAX_LINE)
    inbound, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reader_end, "rb", 0))
    outbound, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(writer_end, "wb", 0))
    writer = asyncio.StreamWriter(outbound, protocol, None, loop)
    into, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, out_of = anyio.create_memory_object_stream[SessionMessage](0)

    async def listen() -> None:
        async with into:
            while line := await stream.readline():
                with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                    await into.send(_parsed(line))

    async def speak() -> None:
        async with out_of:
            async for message in out_of:
                writer.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                try:
                    await writer.drain()
                except OSError:
                    return

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        group.start_soon(speak)
        try:
            yield read, write
        finally:
            group.cancel_scope.cancel()
            inbound.close()
            outbound.abort()
            for each in (read, write, into, out_of):
                each.close()


async def _open_for_writing(path: str) -> int:
    """When somebody reads there: before, the system says that nobody does."""
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        await asyncio.sleep(RETRY)


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
