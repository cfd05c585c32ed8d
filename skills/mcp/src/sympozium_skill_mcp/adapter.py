"""Serves over streamable HTTP what a program speaks on its standard streams: ``python -m sympozium_skill_mcp.adapter``.

One process of the program serves all sessions: what they ask is passed on as it comes, and a program that ends is started again, or waited for, with the
next call. Tools only: nothing else of MCP is asked of servers here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import mcp_types as types
import uvicorn
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings

from sympozium_skill_mcp.pipes import pipe_client
from sympozium_skill_mcp.talk import US, words

SECONDS = 3600.0
"""For anything: whoever calls has a time limit of its own."""
START_SECONDS = 120.0
"""For a program to answer for the first time: it may be fetched before it runs."""


class Program:
    """The session with the program, for as long as that lives."""

    def __init__(self, talk: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._talk = talk
        self._client: asyncio.Future[Client] | None = None
        self._holding: asyncio.Task[None] | None = None

    async def client(self) -> Client:
        if self._holding is None or self._holding.done():
            self._client = asyncio.get_running_loop().create_future()
            self._holding = asyncio.create_task(self._hold(self._client), name="session with the program")
        assert self._client is not None
        return await asyncio.shield(self._client)

    async def _hold(self, opened: asyncio.Future[Client]) -> None:
        """Ends with the program."""
        ended = asyncio.Event()
        try:
            talk = _Watched(self._talk(), ended)
            async with (
                asyncio.timeout(START_SECONDS) as limit,
                Client(talk, client_info=US, cache=None, mode="legacy", read_timeout_seconds=SECONDS) as found,
            ):
                limit.reschedule(None)
                opened.set_result(found)
                await ended.wait()
        except Exception as error:
            if not opened.done():
                opened.set_exception(MCPError(types.INTERNAL_ERROR, f"the program cannot be spoken to: {words(error)}"))
                opened.exception()  # nobody may be waiting


class _Watched:
    """A transport that tells of its end."""

    def __init__(self, talk: AbstractAsyncContextManager[Any], ended: asyncio.Event) -> None:
        self._talk, self._ended = talk, ended

    async def __aenter__(self) -> Any:
        read, write = await self._talk.__aenter__()
        return _Read(read, self._ended), write

    async def __aexit__(self, *error: Any) -> Any:
        return await self._talk.__aexit__(*error)


class _Read:
    def __init__(self, stream: Any, ended: asyncio.Event) -> None:
        self._stream, self._ended = stream, ended

    async def receive(self) -> Any:
        try:
            return await self._stream.receive()
        except BaseException:
            self._ended.set()
            raise

    def __aiter__(self) -> _Read:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._ended.set()
            raise

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Read:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self.aclose()


def make_server(program: Program) -> Server[Any]:
    async def list_tools(context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        page = types.PaginatedRequestParams(cursor=params.cursor) if params is not None and params.cursor else None
        return await (await program.client()).session.list_tools(params=page)

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        found = await program.client()
        return await found.session.call_tool(params.name, params.arguments)

    return Server("sympozium-adapter", version="0.1.0", on_list_tools=list_tools, on_call_tool=call_tool)


def main(words_given: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="sympozium_skill_mcp.adapter")
    parser.add_argument("--listen", required=True, help="a port, or the path of a Unix socket to make")
    parser.add_argument("--input", help="a named pipe that is made here: what the program says")
    parser.add_argument("--output", help="a named pipe that is made here: what the program hears")
    parser.add_argument("command", nargs="*", help="the program, where it is started here")
    given = parser.parse_args(words_given)
    if bool(given.input and given.output) == bool(given.command):
        parser.error("give a command, or both pipes")
    if given.command:
        started = StdioServerParameters(command=given.command[0], args=given.command[1:], env=dict(os.environ))
        program = Program(lambda: stdio_client(started))
    else:
        for path in (given.input, given.output):
            if not os.path.exists(path):
                os.mkfifo(path, 0o600)
        program = Program(lambda: pipe_client(given.input, given.output))
    # Who may connect is decided by the folder of the socket, and on a cluster by a NetworkPolicy; names of hosts say nothing here.
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = make_server(program).streamable_http_app(transport_security=security)
    where: dict[str, Any] = {"host": "0.0.0.0", "port": int(given.listen)} if given.listen.isdigit() else {"uds": given.listen}
    uvicorn.run(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1, **where)


if __name__ == "__main__":
    main(sys.argv[1:])
