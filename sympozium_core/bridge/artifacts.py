"""Files that a tool's result names: from the sidecar's volume to the object store, and to the agent's volume, within bounds."""

from __future__ import annotations

import json
import time

from sympozium_core.bridge.record import Record
from sympozium_core.bridge.server import Server
from sympozium_core.bus import subjects
from sympozium_core.bus.calls import call_once
from sympozium_core.contracts.bus import Bus
from sympozium_core.errors import SympoziumError
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root
from sympozium_core.ipc.protocol import ToolResult

MAX_FILE = 16 * 1024 * 1024
MAX_FILES = 8
"""Of one call."""
MAX_BYTES = 64 * 1024 * 1024
"""Of one attempt."""
CALL_SECONDS = 60.0


class Artifacts:
    """The artifacts of one run: kept as ``<call>.<name>``, because two calls may give one name to different files."""

    def __init__(self, bus: Bus, uid: str, agent: Root, record: Record) -> None:
        self._bus = bus
        self._subject = subjects.request(uid, subjects.ARTIFACT)
        self._agent = agent
        self._record = record
        self._bytes = 0

    async def keep(self, server: Server, result: ToolResult) -> tuple[str, ...]:
        """The names under which they are kept. One that cannot be is dropped, with a `problem`."""
        kept = []
        for name in result.artifacts[:MAX_FILES]:
            path = f"{layout.server_dir(server.name)}/{layout.ARTIFACTS}/{name}"
            try:
                data = server.artifact(result.id, name, min(MAX_FILE, MAX_BYTES - self._bytes))
                self._bytes += len(data)
                stored = f"{result.id}.{name}"
                await self.store(stored, data)
                self._agent.write_bytes(f"{layout.server_dir(server.name)}/{layout.ARTIFACTS}/{stored}", data)
                kept.append(stored)
            except (OSError, SympoziumError) as error:
                await self._record.problem(f"an artifact was dropped: {error}", path)
        if len(result.artifacts) > MAX_FILES:
            dropped = f"{len(result.artifacts)} artifacts of one call; the first {MAX_FILES} are kept"
            await self._record.problem(dropped, layout.server_dir(server.name))
        return tuple(kept)

    async def store(self, name: str, data: bytes) -> None:
        """Returns when the object store has it. Raises SympoziumError."""
        head = json.dumps({"name": name, "size": len(data)}).encode()
        await call_once(self._bus, self._subject, head + b"\n" + data, deadline=time.time() + CALL_SECONDS)
