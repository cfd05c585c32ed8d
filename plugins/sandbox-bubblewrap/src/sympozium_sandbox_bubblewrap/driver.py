"""The driver `bubblewrap`: agent and skills in namespaces of their own, the bridge outside."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from sympozium_sandbox_process.failures import from_os_error
from sympozium_sandbox_process.local import LocalSandbox
from sympozium_sandbox_process.podfiles import PodFiles
from sympozium_sandbox_process.slots import ContainerSpec

from sympozium_core import names
from sympozium_core.contracts.plan import Container
from sympozium_core.contracts.sandbox import ALL_PROMISES, Availability, Feature, Promise, SandboxContext
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_sandbox_bubblewrap import trial
from sympozium_sandbox_bubblewrap.arguments import Host, View, command_line, encode, options

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RELAY = str(Path(__file__).with_name("relay.py"))
_OPTIONS, _SECCOMP = 9, 10
"""Descriptors that bwrap reads and closes before it starts the command."""


class BubblewrapSandbox(LocalSandbox):
    """Needs no root and no daemon: bwrap and a kernel that lets ordinary users make namespaces."""

    promises: ClassVar[frozenset[Promise]] = ALL_PROMISES
    features: ClassVar[frozenset[Feature]] = LocalSandbox.features | {"egress"}

    def __init__(self) -> None:
        super().__init__()
        self._host: Host | None = None
        self._machine: trial.Machine | None = None

    async def check(self) -> Availability:
        found, self._machine = await trial.check()
        return found

    async def open(self, context: SandboxContext) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise Permanent("the program bwrap is not installed", hint="apt install bubblewrap, or use another sandbox")
        await super().open(context)
        try:
            found = self._machine or await trial.machine(program)
            self._host = trial.describe(found, context.data_dir.resolve(), _private(context))
        except OSError as error:
            await self.close()
            raise from_os_error(f"use the sandbox's data directory {context.data_dir}", error) from error

    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        if container.role == "bridge":
            return self.bridge_spec(files, pod_id, container, listen="unix")
        if self._host is None:
            raise Permanent("the sandbox is not open")
        own = {"PATH": f"{Path(sys.executable).parent}:{_PATH}", "TMPDIR": "/tmp", "HOME": "/tmp"}
        if container.role == "skill" and files.egress:
            own |= dict.fromkeys((names.ENV_PROXY, *names.PROXY_VARIABLES), f"http://127.0.0.1:{layout.EGRESS_PORT}")
            own |= dict.fromkeys(names.NO_PROXY_VARIABLES, "127.0.0.1,localhost")
        spec = self.plain_spec(files, pod_id, container, own, cwd=files.root)
        command = [*container.command, *container.args]
        if container.role == "agent":
            command = _behind_relay(layout.MODEL_PORT, layout.MODEL_SOCKET, command)
        elif container.role == "skill" and files.egress:
            command = _behind_relay(layout.EGRESS_PORT, layout.EGRESS_SOCKET, command)
        view = View(
            ipc=files.volumes / container.name,
            tmp=files.tmp / container.name,
            workspace=files.workspace if container.workspace else None,
            skills=files.skills if container.skills else None,
            memory=files.memory if container.memory else None,
            secret=(files.secrets / container.name, container.secret_path) if container.secret else None,
            files=_programs(self._host, container),
        )
        written = files.root / f".options-{container.name}"
        written.write_bytes(encode(options(self._host, view)))
        descriptors = {str(_OPTIONS): str(written)}
        if self._host.seccomp is not None:
            descriptors[str(_SECCOMP)] = str(self._host.seccomp)
        line = command_line(self._host, command, options=_OPTIONS, seccomp=_SECCOMP if self._host.seccomp is not None else None)
        return {**spec, "argv": line, "wrapped": True, "files": descriptors}


def _behind_relay(port: int, socket: str, command: list[str]) -> list[str]:
    """With a port in the container's network namespace that leads to a socket in its volume."""
    return [sys.executable, "-I", "-S", _RELAY, str(port), f"/ipc/{socket}", *command]


def _programs(host: Host, container: Container) -> tuple[Path, ...]:
    """The program itself, where it lies in a folder that is not shown: a binary that needs nothing else of its folder."""
    program = Path(container.command[0])
    seen = (*host.shown, *(Path("/", name) for name in ("usr", "bin", "sbin", "lib", "workspace", "ipc", "skills")))
    if not program.is_absolute() or any(program.is_relative_to(each) for each in seen) or not program.is_file():
        return ()
    return (program,)


def _private(context: SandboxContext) -> tuple[Path, ...]:
    """Folders of the server, to be covered should an editable install or a prefix contain them."""
    found = [context.data_dir, Path(os.environ.get(names.ENV_DATA_DIR, ""))]
    address = urlsplit(context.bus_address)
    if address.scheme == "unix":
        found.append(Path(address.path).parent)
    return tuple(dict.fromkeys(path.resolve() for path in found if path.is_absolute() and path.is_dir()))
