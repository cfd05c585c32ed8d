"""The driver `process`: a pod as plain processes of this user, with limits and without isolation."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from sympozium_core import names
from sympozium_core.contracts.plan import Container
from sympozium_core.contracts.sandbox import Availability, Promise
from sympozium_sandbox_process.local import LocalSandbox
from sympozium_sandbox_process.podfiles import PodFiles
from sympozium_sandbox_process.slots import ContainerSpec

_TRIAL = "import ctypes, os; os.stat('/proc/self/environ'); raise SystemExit(ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) != 0)"


class ProcessSandbox(LocalSandbox):
    """For machines where nothing better works, and for trusted agents: they share the user's uid, files and network."""

    promises: ClassVar[frozenset[Promise]] = frozenset()

    async def check(self) -> Availability:
        if not sys.platform.startswith("linux"):
            return Availability(
                False, f"plain processes are followed by /proc and prctl, which {sys.platform} has not; use Linux"
            )
        trial = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-E", "-s", "-c", _TRIAL, stderr=asyncio.subprocess.DEVNULL, cwd="/"
        )
        if await trial.wait() != 0:
            return Availability(False, "a child process can neither read /proc nor reap its descendants; mount /proc")
        return Availability(
            True,
            "works, but isolates nothing: an agent shares this user's uid, files and network, so use it for agents you trust",
        )

    def container_spec(self, files: PodFiles, pod_id: str, container: Container) -> ContainerSpec:
        if container.role == "bridge":
            return self.bridge_spec(files, pod_id, container, listen="127.0.0.1:0")
        tmp = files.tmp / container.name
        own = {
            names.ENV_IPC: str(files.volumes / container.name),
            names.ENV_TMP: str(tmp),
            "TMPDIR": str(tmp),
            "HOME": str(tmp),
        }
        cwd: Path = tmp
        if container.workspace:
            own[names.ENV_WORKSPACE] = str(files.workspace)
            cwd = files.workspace
        if container.memory:
            own[names.ENV_MEMORY] = str(files.memory)
        if container.secret:
            own[names.ENV_SECRET] = str(files.secrets / container.name)
        if container.skills:
            own[names.ENV_SKILLS] = str(files.skills)
        return self.plain_spec(files, pod_id, container, own, cwd=cwd)
