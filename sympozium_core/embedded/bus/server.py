"""Lets the bridges of local pods onto the embedded bus, over a Unix socket that only this user may open."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from sympozium_core.embedded.bus.connection import Authenticate, Connection
from sympozium_core.embedded.bus.local import EmbeddedBus
from sympozium_core.embedded.bus.wire import bus_address, listening_socket, socket_path

MAX_CONNECTIONS = 4096


class BusServer:
    """`authenticate` answers the UID of the run that a pod is assigned to; while it waits, so does the pod: it is a warm one."""

    def __init__(self, bus: EmbeddedBus, path: Path, authenticate: Authenticate) -> None:
        self.address = bus_address(path)
        """For a bridge's credential."""
        self._bus, self._path, self._authenticate = bus, path, authenticate
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._connected, sock=listening_socket(socket_path(self.address)))

    async def revoke(self, pod: str) -> None:
        """Disconnects the pod at once; when this returns, nothing of it is under way. `authenticate` has to refuse it from now on."""
        await asyncio.gather(*(connection.stop() for connection in list(self._connections) if connection.pod == pod))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*(connection.stop() for connection in list(self._connections)))
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None
            with suppress(FileNotFoundError):
                os.unlink(self._path)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        connection = Connection(self._bus, self._authenticate, reader, writer)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
