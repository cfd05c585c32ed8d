"""One sidecar, seen from the bridge: its volume, its manifest, and the calls that wait for its answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.files import FileRefused, Root
from sympozium_core.ipc.protocol import (
    ToolDefinition,
    ToolRequest,
    ToolResult,
    parse_manifest,
    parse_tool_progress,
    parse_tool_result,
)
from sympozium_core.ipc.watch import Watch

MAX_SAID = 4_000
"""Characters of one word of progress that go on record: the last ones."""
LATE_SECONDS = 0.5
"""How long after a call's deadline the sidecar's own word that it timed out is still waited for."""

logger = logging.getLogger(__name__)


def container_name(server: str) -> str:
    """The container, and so the volume, of the sidecar that serves a tool server."""
    return f"skill-{server}"


class ToolServer:
    """Opened when the bridge starts. `watch` runs as a task for as long as the bridge does; `close` afterwards."""

    def __init__(self, name: str, volume: Path) -> None:
        self.name = name
        self.root = Root(volume, shared=True)
        self.tools: asyncio.Future[tuple[ToolDefinition, ...]] = asyncio.get_running_loop().create_future()
        """Set by a good manifest. A bad one is tried again when the sidecar writes another."""
        self.manifest_error = ""
        self.heard: Callable[[str, str, str], None] = lambda server, call, text: None
        """Told what a call that is under way says meanwhile."""
        self._directory = layout.server_dir(name)
        self._progress = f"{self._directory}/{layout.PROGRESS}"
        self._results = f"{self._directory}/{layout.RESULTS}"
        self._waiting: dict[str, asyncio.Future[ToolResult]] = {}
        self.under_way: dict[str, ToolRequest] = {}
        """By id: what the gate has let through and the sidecar has not answered."""
        try:
            self.root.make_directory(f"{self._directory}/{layout.REQUESTS}")
        except (OSError, FileRefused) as error:
            self.manifest_error = str(error)

    def close(self) -> None:
        self.tools.cancel()
        self.root.close()

    async def watch(self) -> None:
        with Watch(self.root, (self._directory, self._results, self._progress)) as watch:
            async for batch in changes(watch):
                for found in batch:
                    if found.directory == self._results:
                        self._take_result(found.name)
                    elif found.directory == self._progress:
                        self._take_progress(found.name)
                    elif found.name == layout.MANIFEST:
                        self._take_manifest()

    async def call(self, request: ToolRequest) -> ToolResult:
        """Runs the call in the sidecar; answers for it when it does not. Raises OSError when its volume is full or gone."""
        answer: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        self._waiting[request.id], self.under_way[request.id] = answer, request
        path = f"{self._directory}/{layout.REQUESTS}/{request.id}.json"
        try:
            self.root.write_json(path, request.to_json())
            async with asyncio.timeout(max(0.0, request.deadline + LATE_SECONDS - time.time())):
                return await answer
        except TimeoutError:
            self.cancel(request.id)
            return ToolResult(request.id, "timeout", f"{self.name} did not answer by the deadline of the call")
        except FileRefused as error:
            return ToolResult(request.id, "error", f"{self.name} cannot be reached: {error.what}")
        finally:
            del self._waiting[request.id], self.under_way[request.id]
            # When the agent has its result: it is in a hurry, and nobody else looks at these.
            asyncio.get_running_loop().call_soon(self._forget, path, f"{self._results}/{request.id}.json")

    def artifact(self, call: str, name: str, limit: int) -> bytes:
        """A file that a result of the sidecar names. Raises OSError, FileRefused."""
        return self.root.read_bytes(f"{self._directory}/{layout.ARTIFACTS}/{name}", limit)

    def cancel(self, call: str) -> None:
        """Tells the sidecar that nobody waits for this call any more; does nothing for one that is not under way."""
        if call in self._waiting:
            try:
                self.root.write_bytes(f"{self._directory}/{layout.CANCEL}/{call}", b"")
            except (OSError, FileRefused) as error:
                logger.warning("%s was not told to stop a call: %s", self.name, error)

    def finish(self) -> None:
        """Tells the sidecar that no more calls will come."""
        try:
            self.root.write_bytes(layout.DONE, b"")
        except (OSError, FileRefused) as error:
            logger.warning("%s was not told to end: %s", self.name, error)

    def _take_manifest(self) -> None:
        if self.tools.done():
            return
        path = f"{self._directory}/{layout.MANIFEST}"
        try:
            self.tools.set_result(parse_manifest(self.root.read_json(path, layout.MAX_MANIFEST), path).tools)
        except FileNotFoundError:
            pass
        except (OSError, Permanent) as error:
            self.manifest_error = str(error)
            logger.warning("manifest of %s: %s", self.name, error)

    def _take_result(self, name: str) -> None:
        """A result that nobody waits for (late, repeated, made up) is left where it is and never read."""
        call = name.removesuffix(".json")
        answer = self._waiting.get(call)
        if answer is None or answer.done():
            return
        path = f"{self._results}/{name}"
        try:
            result = parse_tool_result(self.root.read_json(path, layout.MAX_TOOL_RESULT), path)
        except FileNotFoundError:
            return
        except (OSError, Permanent) as error:
            result = ToolResult(call, "error", f"the tool ran, and its result was refused: {error}")
        if result.id != call:
            result = ToolResult(call, "error", "the tool ran, and its result was refused: it names another call")
        answer.set_result(result)

    def _take_progress(self, name: str) -> None:
        """Of a call that is under way; all else is taken away unread, so that the folder does not grow."""
        path = f"{self._progress}/{name}"
        try:
            if name.partition(".")[0] in self._waiting:
                said = parse_tool_progress(self.root.read_json(path, layout.MAX_PROGRESS), path)
                if said.id == name.partition(".")[0]:
                    self.heard(self.name, said.id, said.text[-MAX_SAID:])
        except (OSError, Permanent) as error:
            logger.debug("%s: %s", path, error)
        self._forget(path)

    def _forget(self, *paths: str) -> None:
        """The request first: without it, a sidecar that starts again does not run the call again."""
        for path in paths:
            try:
                self.root.remove(path)
            except (OSError, FileRefused) as error:
                logger.debug("%s: %s", path, error)
