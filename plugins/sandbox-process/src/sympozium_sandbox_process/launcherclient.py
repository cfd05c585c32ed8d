"""The driver's side of the launcher: starts it, asks it, hears from it, and notices when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sympozium_core.errors import Temporary
from sympozium_sandbox_process.environment import inherited
from sympozium_sandbox_process.failures import from_os_error
from sympozium_sandbox_process.slots import ContainerSpec

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from sympozium_sandbox_process.launcher import main; main()"
_MAX_LINE = 1 << 20


class LauncherClient:
    """One launcher process. When it dies all calls fail as Temporary and `died` is called once; a new client is made then."""

    def __init__(self, data_dir: Path, ended: Callable[[Mapping[str, Any]], None], died: Callable[[], None]) -> None:
        self._data_dir = data_dir
        self._ended = ended
        self._died = died
        self._calls: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._last = 0
        self._closing = False

    async def open(self) -> None:
        mine = self._launch()
        self._reader, self._writer = await asyncio.open_connection(sock=mine, limit=_MAX_LINE)
        self._task = asyncio.create_task(self._read(), name="sandbox launcher")

    def _launch(self) -> socket.socket:
        """In the loop's own thread: the launcher's parent death signal comes when the thread ends that made it."""
        mine, theirs = socket.socketpair()
        name = hashlib.sha256(str(self._data_dir.resolve()).encode()).hexdigest()[:12]
        try:
            with theirs, open(self._data_dir / ".launcher.log", "wb") as log:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        "-S",
                        "-E",
                        "-s",
                        "-c",
                        _START,
                        str(Path(__file__).parents[1]),
                        str(theirs.fileno()),
                        name,
                    ],
                    pass_fds=[theirs.fileno()],
                    env=inherited(),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            mine.close()
            raise from_os_error("start the launcher of the sandbox", error) from error
        return mine

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self, pod_id: str, containers: list[ContainerSpec]) -> None:
        answer = await self._call({"op": "start", "pod": pod_id, "containers": containers})
        if failure := answer.get("error"):
            error = OSError(failure["errno"], failure["text"])
            raise from_os_error(f"start {failure['what'] or 'a process'}", error) from error

    async def prepare(self, command: tuple[str, ...]) -> None:
        """Loads what this command will run, so that starting it is a fork. One that cannot be loaded is executed as ever."""
        await self._call({"op": "prepare", "argv": list(command)})

    async def stop(self, pod_id: str, grace: float) -> None:
        """Returns when nothing of the pod is left."""
        await self._call({"op": "stop", "pod": pod_id, "grace": grace})

    async def close(self) -> None:
        """Ends every pod with the launcher itself."""
        self._closing = True
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write_eof()
        await self._task
        await self._gone()

    async def _gone(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        await asyncio.to_thread(self._process.wait)

    async def _call(self, request: dict[str, Any]) -> Mapping[str, Any]:
        if self._task.done() or self._closing:
            raise Temporary("the launcher of the sandbox has ended", hint="it is started again at once; try again")
        self._last += 1
        number = self._last
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        try:
            self._writer.write(json.dumps({"id": number, **request}).encode() + b"\n")
            return await future
        finally:
            self._calls.pop(number, None)

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                message = json.loads(line)
                if "event" in message:
                    self._ended(message)
                elif (future := self._calls.get(message["id"])) is not None and not future.done():
                    future.set_result(message)
        if not self._closing:
            self._died()  # Before the calls fail: whoever hears of it finds the recovery under way.
        for future in self._calls.values():
            if not future.done():
                future.set_exception(Temporary("the launcher of the sandbox has ended", hint="try again"))
        if not self._closing:
            await self._gone()
