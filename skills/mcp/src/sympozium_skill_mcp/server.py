"""Serves the tools of a run's MCP servers over files. The protocol is spoken here; where the servers are and how one gets in, the gateway knows."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from sympozium_core.contracts.mcp import McpServer, server_from_told
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.layout import EXCHANGE
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.ipc.watch import Watch
from sympozium_core.names import ENV_IPC, ENV_MCP_SERVERS, MCP_SERVER
from sympozium_core.sidecar.calls import Call, Outcome
from sympozium_core.sidecar.definition import Handler
from sympozium_core.sidecar.server import Server
from sympozium_skill_mcp import talk, tools
from sympozium_skill_mcp.connection import Connection
from sympozium_skill_mcp.http import BridgeTransport

AT_ONCE = 16
FIRST_SECONDS = 7.0
"""For a server to say what it has; the bridge waits a little longer for all of them. One that comes later is not offered in this run."""
TICK = 0.25
T = TypeVar("T")


class Loop:
    """An event loop in a thread of its own, for tools that run in others."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="sessions", daemon=True).start()

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def serve() -> None:
    # The first process of a container has no other way to end before its run is known.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    servers = [server_from_told(each) for each in json.loads(os.environ.get(ENV_MCP_SERVERS) or "[]")]
    ipc = os.environ.get(ENV_IPC) or "/ipc"
    place = _place(ipc) if servers else {}
    loop = Loop()
    connections = [Connection(server, partial(BridgeTransport, server.name, place, ipc)) for server in servers]
    found = loop.start(_all_definitions(connections)).result()
    by_name = {connection.server.name: connection for connection in connections}
    handlers = [
        Handler(definition, partial(_run, loop, by_name[server.name], tool), float(server.timeout))
        for server, tool, definition in tools.within_bounds(found)
    ]
    Server(MCP_SERVER, handlers, ipc=ipc, parallel=AT_ONCE).serve()
    loop.start(_close(connections)).result()


def _place(ipc: str) -> Mapping[str, Any]:
    """Where the bridge carries out exchanges, once it has said so."""
    with Root(ipc) as root, Watch(root, [""]) as watch:
        while not root.exists(EXCHANGE):
            watch.wait(None)
        found: Mapping[str, Any] = root.read_json(EXCHANGE, 4096)
        return found


async def _all_definitions(connections: list[Connection]) -> list[tuple[McpServer, str, ToolDefinition]]:
    """In the order of the servers. One that is not there, or slow, costs its own tools and nobody else's."""
    asked = await asyncio.gather(*(_definitions(connection) for connection in connections))
    return [(server, name, definition) for server, found in asked for name, definition in found.items()]


async def _definitions(connection: Connection) -> tuple[McpServer, dict[str, ToolDefinition]]:
    server = connection.server
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            found, problems = tools.definitions(server, await connection.tools())
    except Exception as error:
        print(f"{server.name}: its tools are not there: {talk.words(error)}", file=sys.stderr)
        return server, {}
    for problem in problems:
        print(problem, file=sys.stderr)
    return server, found


def _run(loop: Loop, connection: Connection, tool: str, arguments: Mapping[str, Any], call: Call) -> Outcome:
    """One call, in a thread of the tool server."""
    seconds = min(call.remaining, float(connection.server.timeout))
    work = loop.start(connection.call(tool, arguments, seconds))
    while True:
        try:
            return tools.outcome(work.result(TICK), call)
        except concurrent.futures.CancelledError:
            return Outcome("cancelled while it was under way; it may have happened", status="unknown")
        except TimeoutError:
            if work.done():  # of the call, not of this look at it
                return Outcome(
                    f"{connection.server.name} did not answer within {seconds:.0f} s; it may have happened", status="timeout"
                )
            if call.cancelled:
                work.cancel()
        except Exception as error:
            return Outcome(f"{connection.server.name}: {talk.words(error)}", status="error")


async def _close(connections: list[Connection]) -> None:
    await asyncio.gather(*(connection.close() for connection in connections), return_exceptions=True)
