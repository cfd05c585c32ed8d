"""A program on standard streams, served over HTTP: by a process that starts it, and by one that finds it behind two named pipes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError
from sympozium_skill_mcp import talk

from sympozium_core.contracts.mcp import McpServer

PROGRAM = '''
import os, sys
from mcp.server.mcpserver import MCPServer

server = MCPServer("little")

@server.tool()
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b

@server.tool()
def pid() -> int:
    """Its number."""
    return os.getpid()

server.run("stdio")
'''


@asynccontextmanager
async def adapter(socket: Path, *words: str) -> AsyncIterator[None]:
    command = [sys.executable, "-m", "sympozium_skill_mcp.adapter", "--listen", str(socket), *words]
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
    try:
        await until(socket.exists)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def session(socket: Path) -> AsyncIterator[Client]:
    server = McpServer("little", "http", "http://localhost/mcp", "default", "little", timeout=30)
    async with talk.session(server, httpx2.AsyncHTTPTransport(uds=str(socket))) as found:
        yield found


async def number(found: Client, tool: str, **arguments: int) -> int:
    result = await found.call_tool(tool, arguments)
    return int(result.content[0].text)  # type: ignore[union-attr]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    return file


async def test_a_program_that_it_starts(tmp_path: Path, program: Path) -> None:
    socket = tmp_path / "s"
    async with adapter(socket, "--", sys.executable, str(program)), session(socket) as one, session(socket) as other:
        assert [tool.name for tool in await talk.all_tools(one)] == ["add", "pid"]
        assert await asyncio.gather(*(number(each, "add", a=n, b=n) for n, each in enumerate((one, other, one)))) == [0, 2, 4]
        first = await number(one, "pid")
        assert await number(other, "pid") == first, "one process serves all sessions"
        os.kill(first, signal.SIGKILL)
        assert await again(one) != first


async def again(found: Client) -> int:
    """The number of the process that takes the place of one that was killed; a call that met the dead one is an error."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await number(found, "pid")
            except (MCPError, ValueError):
                await asyncio.sleep(0.05)


async def test_a_program_behind_two_pipes(tmp_path: Path, program: Path) -> None:
    socket, heard, said = tmp_path / "s", tmp_path / "out", tmp_path / "in"
    async with adapter(socket, "--input", str(heard), "--output", str(said)):
        await until(heard.exists)
        shell = f'exec "$@" <{said} >{heard}'
        numbers = []
        for _ in range(2):  # the second is what a container runtime starts after the first
            started = await asyncio.create_subprocess_exec("/bin/sh", "-c", shell, "sh", sys.executable, str(program))
            async with session(socket) as found:
                assert await number(found, "add", a=2, b=3) == 5
                numbers.append(await number(found, "pid"))
            started.kill()
            await started.wait()
        assert len(set(numbers)) == 2


async def test_a_program_that_is_none(tmp_path: Path) -> None:
    socket = tmp_path / "s"
    async with adapter(socket, "--", "no-such-program"), session(socket) as found:
        with pytest.raises(MCPError, match="cannot be spoken to"):
            await talk.all_tools(found)
