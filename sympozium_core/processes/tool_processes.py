"""MCP servers that run on this machine, each a process of the control plane's user: started, watched, started again, ended with the control plane.

One that speaks on its standard streams is behind an adapter, on a Unix socket in the data directory; one that speaks HTTP is told a port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sympozium_core import names
from sympozium_core.address_guard import Guard
from sympozium_core.backoff import BackOff
from sympozium_core.contracts.cluster import Cluster
from sympozium_core.contracts.mcp import McpClient
from sympozium_core.contracts.plan import digest
from sympozium_core.controllers.mcpserver.host import Deployed
from sympozium_core.errors import Temporary
from sympozium_core.gateway.tool_host import Place
from sympozium_core.planning.mcp import path_of
from sympozium_core.processes.secrets import secret_values
from sympozium_core.processes.tool_hosts import McpClients
from sympozium_core.reconcile.cache import View
from sympozium_core.reconcile.key import Key, key_of
from sympozium_core.registry.drivers import Drivers
from sympozium_core.sidecar.interpreter import python_command

START_SECONDS = 20.0
"""Until a server listens; one that is fetched when it is first started takes longer, and is looked at again."""
STEADY = 30.0
"""Seconds that a server has to run for its end not to count as a failure to start."""
KEPT = 2048
"""Bytes of what it last wrote to standard error."""
SHOWN = 300
BACK_OFF = BackOff(first=1.0, longest=120.0)
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")
"""What of the control plane's own environment a server gets: what programs need to be found and to start."""
_MODULE = "sympozium_core.processes.tool_child"


@dataclass
class _Server:
    digest: str
    process: asyncio.subprocess.Process
    place: Place
    port: int
    started: float
    last: bytearray = field(default_factory=bytearray)
    watching: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


@dataclass
class _Failures:
    digest: str
    number: int
    until: float
    message: str


class ToolProcesses:
    """Implements `controllers.mcpserver.host.Host` and `tool_hosts.LocalServers`."""

    def __init__(self, cluster: Cluster, clients: Drivers[McpClient], folder: Path) -> None:
        self._cluster, self._clients, self._folder = cluster, McpClients(clients), folder
        self._running: dict[Key, _Server] = {}
        self._failed: dict[Key, _Failures] = {}
        self._descriptor = -1
        self.changed: Callable[[Key], None] = lambda key: None
        """Told of a server that has ended."""

    def place(self, namespace: str, name: str) -> Place:
        found = self._running.get(Key(namespace, name))
        if found is None or not found.alive:
            raise Temporary(f"MCP server {name} does not run now", reason=names.Reason.TOOL_ERROR)
        return found.place

    async def ensure(self, server: View) -> Deployed:
        key = key_of(server)
        if server["spec"].get("suspended") or server["spec"].get("replicas") == 0:
            await self._end(key)
            return Deployed(False, "Stopped", "it is stopped, as the spec says")
        environment = await self._environment(server)
        wanted = digest([server["spec"]["deployment"], server["spec"]["transportType"], environment])
        found = self._running.get(key)
        if found is not None and (found.digest != wanted or not found.alive):
            self._note_end(key, found, wanted)
            await self._end(key)
            found = None
        if (failed := self._failed.get(key)) is not None and failed.digest == wanted and time.monotonic() < failed.until:
            return Deployed(False, "Crashed", failed.message)
        found = found or await self._start(key, server, wanted, environment)
        if await self._listens(found):
            address = "" if found.place.socket else found.place.url
            return Deployed(True, "Running", f"process {found.process.pid} of this machine", address)
        if not found.alive:
            self._note_end(key, found, wanted)
            return Deployed(False, "Crashed", self._failed[key].message)
        return Deployed(False, "Starting", f"it does not listen yet{_words(found)}")

    async def forget(self, namespace: str, name: str) -> None:
        key = Key(namespace, name)
        self._failed.pop(key, None)
        await self._end(key)

    async def close(self) -> None:
        await asyncio.gather(*(self._end(key) for key in list(self._running)))
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def _environment(self, server: View) -> dict[str, str]:
        deployment = server["spec"]["deployment"]
        found = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        found |= {str(name): str(value) for name, value in (deployment.get("env") or {}).items()}
        for reference in deployment.get("secretRefs") or []:
            namespace = server["metadata"]["namespace"]
            found |= await secret_values(self._cluster, namespace, reference["name"], reason=names.Reason.TOOL_ERROR)
        return found

    async def _start(self, key: Key, server: View, wanted: str, environment: Mapping[str, str]) -> _Server:
        deployment, port = server["spec"]["deployment"], 0
        command = [deployment["cmd"], *(deployment.get("args") or [])]
        folder = self._opened()
        if server["spec"]["transportType"] == "stdio":
            name = f"{digest([*key])}.sock"
            (self._folder / name).unlink(missing_ok=True)
            module = (await self._clients.get()).adapter
            command = [sys.executable, "-P", "-m", module, "--listen", name, "--", *command]
            # By descriptor: the path may be longer than the 107 bytes that a socket's name can have.
            place = Place("http://localhost/mcp", Guard(), socket=f"/proc/self/fd/{folder}/{name}")
        else:
            port = _free_port()
            environment = {**environment, "PORT": str(port)}
            place = Place(f"http://127.0.0.1:{port}{path_of(server['spec'])}", Guard(loopback="open"))
        process = await asyncio.create_subprocess_exec(
            *python_command(_MODULE),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            cwd=self._folder,
            start_new_session=True,
        )
        made = _Server(wanted, process, place, port, time.monotonic())
        made.watching = asyncio.create_task(self._watch(key, made), name=f"MCP server {key}")
        self._running[key] = made
        return made

    async def _watch(self, key: Key, server: _Server) -> None:
        assert server.process.stderr is not None
        while data := await server.process.stderr.read(4096):
            server.last += data
            del server.last[:-KEPT]
        await server.process.wait()
        if self._running.get(key) is server:
            self.changed(key)

    async def _listens(self, server: _Server) -> bool:
        """Waits for it to, no longer than a server may take to start."""
        until = time.monotonic() + START_SECONDS
        while server.alive and time.monotonic() < until:
            with contextlib.suppress(OSError):
                if server.place.socket:
                    _, writer = await asyncio.open_unix_connection(server.place.socket)
                else:
                    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.close()
                return True
            await asyncio.sleep(0.05)
        return False

    def _note_end(self, key: Key, server: _Server, wanted: str) -> None:
        """One that has run for a while begins anew."""
        before = self._failed.get(key)
        if server.alive or server.digest != wanted or time.monotonic() - server.started > STEADY:
            self._failed.pop(key, None)
            return
        number = before.number + 1 if before is not None and before.digest == wanted else 1
        message = f"it ended with {server.process.returncode}{_words(server)}"
        self._failed[key] = _Failures(wanted, number, time.monotonic() + BACK_OFF.delay(number), message)

    async def _end(self, key: Key) -> None:
        server = self._running.pop(key, None)
        if server is None:
            return
        if server.process.stdin is not None:
            server.process.stdin.close()
        await server.process.wait()
        if server.watching is not None:
            server.watching.cancel()
        if server.place.socket:
            with contextlib.suppress(OSError):
                os.unlink(server.place.socket)

    def _opened(self) -> int:
        if self._descriptor < 0:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._descriptor


def _words(server: _Server) -> str:
    """The last of what it wrote."""
    text = " ".join(server.last.decode("utf-8", "replace").split())
    return f": {text[-SHOWN:]}" if text else ""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
