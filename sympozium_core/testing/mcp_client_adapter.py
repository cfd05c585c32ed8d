"""Part of `mcp_client.McpClientContract`: the adapter, by which a program on standard streams is a server like others. It is started, and asked over HTTP
as a gateway asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sympozium_core.address_guard import Guard
from sympozium_core.contracts.mcp import ExchangeAnswer, McpServer
from sympozium_core.errors import SympoziumError
from sympozium_core.gateway.tool_host import Place, ToolHost
from sympozium_core.gateway.tool_http import ToolConnections
from sympozium_core.testing.mcp_client_case import START_SECONDS, McpCase

TIMEOUT = 20
LOOK = 0.02
PROGRAM = """
import json, sys

def answer(asked):
    method = asked["method"]
    if method == "initialize":
        who = {"name": "little", "version": "1.5"}
        return {"result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": who}}
    if method == "tools/list":
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        hints = {"readOnlyHint": True}
        return {"result": {"tools": [{"name": "größe", "description": "Adds.", "inputSchema": schema, "annotations": hints}]}}
    return {"result": {}} if method == "ping" else {"error": {"code": -32601, "message": f"no method {method}"}}

for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked and "method" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer(asked)}), flush=True)
"""
SILENT = "import threading; threading.Event().wait()"


class AdapterChecks:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return with_programs(tmp_path)

    @pytest.mark.parametrize("where", ["socket", "port"])
    async def test_its_adapter_serves_a_program(self, case: McpCase, folder: Path, where: str) -> None:
        place = place_in(folder) if where == "socket" else free_port()
        async with adapter(case, place, "--", sys.executable, str(folder / "program.py")):
            await _finds_the_program(case, place)
            await _finds_the_program(case, place)

    async def test_its_adapter_serves_a_program_behind_two_pipes(self, case: McpCase, folder: Path) -> None:
        """The program is another container's: it comes when the pipes are there, and again when it has ended."""
        place, heard, said = place_in(folder), folder / "heard", folder / "said"
        async with adapter(case, place, "--input", str(heard), "--output", str(said)):
            await until(lambda: heard.is_fifo() and said.is_fifo(), "both pipes are there")
            for _ in range(2):
                words = ('exec "$@" <"$IN" >"$OUT"', "sh", sys.executable, str(folder / "program.py"))
                environment = {**os.environ, "IN": str(said), "OUT": str(heard)}
                program = await asyncio.create_subprocess_exec("/bin/sh", "-c", *words, env=environment)
                try:
                    await _finds_the_program(case, place)
                finally:
                    program.kill()
                    await program.wait()

    async def test_its_adapter_listens_before_the_program_speaks(self, case: McpCase, folder: Path) -> None:
        """A program may be fetched when it is first started; until then the server is there, and slow."""
        async with adapter(case, place_in(folder), "--", sys.executable, str(folder / "silent.py")):
            pass

    async def test_a_program_that_is_none_is_an_error(self, case: McpCase, folder: Path) -> None:
        place = place_in(folder)
        async with adapter(case, place, "--", str(folder / "no-such-program")):
            with pytest.raises(SympoziumError):
                await _ask(case, place)


def with_programs(folder: Path) -> Path:
    (folder / "program.py").write_text(PROGRAM, "utf-8")
    (folder / "silent.py").write_text(SILENT, "utf-8")
    return folder


async def _finds_the_program(case: McpCase, place: str) -> None:
    found = await _ask(case, place)
    assert [(tool.name, tool.description, tool.annotations.read_only) for tool in found.tools] == [("größe", "Adds.", True)]


async def _ask(case: McpCase, place: str) -> Any:
    """As a gateway does that has the adapter on its machine."""
    url = f"http://127.0.0.1:{place}/mcp" if place.isdigit() else "http://localhost/mcp"
    host = ToolHost("little", Place(url, Guard(loopback="open"), "" if place.isdigit() else place), {})
    connections = ToolConnections(_nowhere)

    def exchange(method: str, path: str, headers: Any, body: bytes) -> AbstractAsyncContextManager[ExchangeAnswer]:
        return connections.exchange(host, method, path, headers, body)

    try:
        async with asyncio.timeout(START_SECONDS):
            return await case.client.discover(McpServer("little", "http", url, "default", "little", timeout=TIMEOUT), exchange)
    finally:
        await connections.close()


async def _nowhere(host: str) -> tuple[str, ...]:
    return ()


@asynccontextmanager
async def adapter(case: McpCase, place: str, *words: str) -> AsyncIterator[None]:
    """Started, and listening."""
    command = [sys.executable, "-P", "-m", case.client.adapter, "--listen", place, *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(*command, start_new_session=True, env=environment)
    try:
        await until(lambda: process.returncode is not None or _listens(place), "the adapter listens", case.start_seconds)
        assert process.returncode is None, f"the adapter ended with {process.returncode}"
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(LOOK)


def _listens(place: str) -> bool:
    to: Any = ("127.0.0.1", int(place)) if place.isdigit() else place
    with socket.socket(socket.AF_INET if place.isdigit() else socket.AF_UNIX) as asking:
        return asking.connect_ex(to) == 0


def place_in(folder: Path) -> str:
    """A socket, by a path that is short enough for one."""
    return os.path.relpath(folder / "s") if len(str(folder)) > 90 else str(folder / "s")


def free_port() -> str:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return str(asked.getsockname()[1])
