"""A small adapter with nothing wrong with it: a program on standard streams, served over streamable HTTP, with an answer in JSON to each request.
Standard library only; `broken_adapters` has it go wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable
from typing import Any

Way = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]
PATH = "/mcp"


class Program:
    """The program, started or waited for when it is asked, one question at a time."""

    def __init__(self, way: Way) -> None:
        self.way, self.turn = way, asyncio.Lock()
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, message: dict[str, Any]) -> bytes:
        async with self.turn:
            if self.streams is None or self.streams[0].at_eof():
                self.streams = await self.way()
            reader, writer = self.streams
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()
            return await reader.readline() if "id" in message else b""


def started(words: list[str]) -> Way:
    async def way() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        made = await asyncio.create_subprocess_exec(*words, stdin=-1, stdout=-1)
        assert made.stdout is not None
        assert made.stdin is not None
        return made.stdout, made.stdin

    return way


def behind(heard: str, said: str) -> Way:
    async def way() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Both wait for the program to open its ends; in the order in which a shell does that.
        writing = await asyncio.to_thread(open, said, "wb", 0)
        reading = await asyncio.to_thread(open, heard, "rb", 0)
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reading)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, writing)
        return reader, asyncio.StreamWriter(transport, protocol, None, loop)

    return way


async def serve(program: Program, listen: str, path: str = PATH) -> None:
    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").lower().split("\r\n")
                size = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
                body = await reader.readexactly(size)
                right = lines[0].split()[1] == path
                status, said = await answer(program, lines[0].split()[0], body) if right else ("404 Not Found", b"")
                kind = "content-type: application/json\r\n" if said else ""
                writer.write(f"HTTP/1.1 {status}\r\n{kind}content-length: {len(said)}\r\n\r\n".encode() + said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    if listen.isdigit():
        server: asyncio.Server = await asyncio.start_server(each, "127.0.0.1", int(listen))
    else:
        server = await asyncio.start_unix_server(each, listen)
    await server.serve_forever()


async def answer(program: Program, verb: str, body: bytes) -> tuple[str, bytes]:
    if verb != "post":
        return "405 Method Not Allowed", b""
    message = json.loads(body)
    try:
        said = await program.ask(message)
    except OSError as error:
        why = {"code": -32603, "message": f"the program cannot be started: {error.strerror}"}
        return "200 OK", json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "error": why}).encode()
    return ("200 OK", said) if "id" in message else ("202 Accepted", b"")


def main(words: list[str]) -> None:
    parser = ArgumentParser()
    for name in ("--listen", "--input", "--output"):
        parser.add_argument(name)
    parser.add_argument("command", nargs="*")
    given = parser.parse_args(words)
    for place in (given.input, given.output):
        if place and not os.path.exists(place):
            os.mkfifo(place, 0o600)
    way = started(given.command) if given.command else behind(given.input, given.output)
    asyncio.run(serve(Program(way), given.listen))


if __name__ == "__main__":
    main(sys.argv[1:])
