"""The agent's volume, where everything but the bridge's own files is hostile: who deals with which file that appears."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from sympozium_core.bridge.progress import Progress, is_progress
from sympozium_core.bridge.record import Record
from sympozium_core.bridge.result import read_result
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.protocol import RunResult
from sympozium_core.ipc.watch import Watch

MAX_STRANGERS = 64
"""Folders of servers that do not exist, each reported once."""
OUTPUT = "output"


class TakesRequests(Protocol):
    def take(self, server: str, name: str) -> None: ...

    def cancel(self, server: str, call: str) -> None: ...


class AgentVolume:
    def __init__(self, volume: Path) -> None:
        self.root = Root(volume)
        self.result: asyncio.Future[RunResult] = asyncio.get_running_loop().create_future()
        """Set by the first good result; one that is none is a `problem`, and another may follow."""
        self._strangers: set[str] = set()

    def close(self) -> None:
        self.result.cancel()
        self.root.close()

    async def watch(self, servers: tuple[str, ...], gate: TakesRequests, progress: Progress, record: Record) -> None:
        """Hands on what appears, for as long as the bridge runs."""
        requests = {f"{layout.server_dir(server)}/{layout.REQUESTS}": server for server in servers}
        cancels = {f"{layout.server_dir(server)}/{layout.CANCEL}": server for server in servers}
        for server in servers:
            await self._make(f"{layout.server_dir(server)}/{layout.RESULTS}", record)
        with Watch(self.root, (OUTPUT, layout.TOOLS, *requests, *cancels)) as watch:
            async for batch in changes(watch):
                for found in batch:
                    if found.directory in requests:
                        gate.take(requests[found.directory], found.name)
                    elif found.directory in cancels:
                        gate.cancel(cancels[found.directory], found.name)
                    elif found.directory == layout.TOOLS:
                        await self._stranger(found.name, servers, record)
                    elif found.path == layout.RESULT:
                        await self._result(record)
                    elif is_progress(found.name):
                        progress.take(found.name)

    async def _make(self, directory: str, record: Record) -> None:
        try:
            self.root.make_directory(directory)
        except (OSError, FileRefused) as error:
            await record.problem(str(error), directory)

    async def _stranger(self, name: str, servers: tuple[str, ...], record: Record) -> None:
        if name not in servers and name not in self._strangers and len(self._strangers) < MAX_STRANGERS:
            self._strangers.add(name)
            known = ", ".join(servers) or "none"
            await record.problem(f"no tool server has this name; servers: {known}", f"{layout.TOOLS}/{name}")

    async def _result(self, record: Record) -> None:
        if self.result.done():
            return
        try:
            result = read_result(self.root)
        except (OSError, Permanent) as error:
            await record.problem(str(error), layout.RESULT)
            return
        if result is not None:
            self.result.set_result(result)
