"""Drives a sandbox the way a controller does, and looks for what it leaves behind: for `sandbox` and for a driver's own tests."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from sympozium_core import names
from sympozium_core.contracts.plan import Container, PodPlan, Resources, SkillText
from sympozium_core.contracts.sandbox import PodStatus, Sandbox, SandboxContext
from sympozium_core.errors import Permanent

PRELUDE = (
    f'ipc="${{{names.ENV_IPC}:-/ipc}}" workspace="${{{names.ENV_WORKSPACE}:-/workspace}}" '
    f'skills="${{{names.ENV_SKILLS}:-/skills}}" tmp="${{{names.ENV_TMP}:-/tmp}}"\n'
)
"""Sets where the volumes are, as any container written in shell would."""
PATIENCE = 15.0
"""Seconds after which something that does not happen is taken as never happening."""


def shell(script: str) -> tuple[str, ...]:
    """A POSIX shell program that knows $ipc, $workspace, $skills and $tmp."""
    return ("sh", "-c", PRELUDE + script)


def container(
    name: str, command: tuple[str, ...], *, workspace: bool = True, skills: bool = True, resources: Resources | None = None
) -> Container:
    """The role follows from the name: ``agent``, ``bridge``, else a skill."""
    return Container(
        name,
        "agent" if name == "agent" else "bridge" if name == "bridge" else "skill",
        command,
        resources=resources or Resources(),
        workspace=workspace,
        skills=skills,
    )


def agent(script: str, *others: Container, resources: Resources | None = None, skills: tuple[SkillText, ...] = ()) -> PodPlan:
    """A pod whose agent is a shell script."""
    return PodPlan((container("agent", shell(script), resources=resources), *others), skills=skills)


def sign() -> Container:
    """A container that ends when another one has made the file ``up`` in the workspace: `Bench.up` waits for it."""
    return container("skill-sign", shell('until [ -e "$workspace/up" ]; do sleep 0.05; done'))


UP = '>"$workspace/up"; '
"""What the other one does."""


class Bench:
    """One opened sandbox with a data directory of its own. Pod ids are unique, since markers are searched in the whole machine.

    What a container found out reaches a test by its message (`shell` scripts write to standard error and exit with 1) or by files, where
    a test may look into a pod's volumes: `folder`, `workspace` and `volume` are of one machine.
    """

    patience = PATIENCE
    python = sys.executable
    """Where containers find it."""
    haste = 5.0
    """Seconds in which a runtime does what it does at once."""

    def __init__(self, sandbox: Sandbox, data_dir: Path) -> None:
        self.sandbox = sandbox
        self.data_dir = data_dir
        self.changes: list[str] = []
        self.pod_ids: list[str] = []
        self.secrets: dict[str, Mapping[str, bytes]] = {}
        """What drivers that hand Secrets over themselves find, by name, in every namespace."""
        self._changed = asyncio.Event()

    def context(self) -> SandboxContext:
        return SandboxContext(
            self.data_dir,
            "unix:///nowhere/bus.sock",
            lambda pod_id: f"token-of-{pod_id}",
            self._note,
            secret=self._secret,
            memory_dir=self.data_dir.with_name("memory"),
        )

    async def _secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        if name not in self.secrets:
            raise Permanent(f"there is no Secret {name!r}")
        return self.secrets[name]

    def _note(self, pod_id: str) -> None:
        self.changes.append(pod_id)
        self._changed.set()

    def new_id(self) -> str:
        self.pod_ids.append(f"pod-{uuid.uuid4().hex[:12]}")
        return self.pod_ids[-1]

    def fit(self, plan: PodPlan) -> PodPlan:
        """The plan with what this runtime needs beside."""
        return plan

    async def start(self, plan: PodPlan, *, workspace_of: str = "") -> str:
        pod_id = self.new_id()
        await self.sandbox.start(pod_id, self.fit(plan), workspace_of=workspace_of)
        return pod_id

    async def pods(self) -> list[str]:
        """Of this bench, whatever else there is."""
        return [pod_id for pod_id in await self.sandbox.pods() if pod_id in self.pod_ids]

    async def run(self, plan: PodPlan) -> tuple[str, PodStatus]:
        """Starts a pod and waits for its end."""
        pod_id = await self.start(plan)
        return pod_id, await self.until(pod_id, lambda status: status.state == "ended")

    async def until(self, pod_id: str, holds: Callable[[PodStatus], bool]) -> PodStatus:
        """Looks again only when the driver says that something changed, as a controller does."""
        deadline = time.monotonic() + self.patience
        while True:
            self._changed.clear()
            status = await self.sandbox.observe(pod_id)
            if holds(status):
                return status
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise AssertionError(f"pod {pod_id} stays {status}") from None

    async def up(self, pod_id: str) -> None:
        """Returns when a container has done what `UP` says; the plan has a `sign`."""
        await self.until(pod_id, lambda status: status.containers["skill-sign"].state == "ended")

    async def told(self, plan: PodPlan) -> str:
        """Runs a pod whose agent writes to standard error and exits with 1; returns what it wrote, 2 KiB at most."""
        _, status = await self.run(plan)
        assert status.containers["agent"].exit_code == 1, status
        return status.containers["agent"].message

    def folder(self, pod_id: str) -> Path:
        return self.data_dir / pod_id

    def workspace(self, pod_id: str) -> Path:
        return self.data_dir / pod_id / "workspace"

    def volume(self, pod_id: str, container: str = "agent") -> Path:
        return self.data_dir / pod_id / "volumes" / container

    async def file(self, path: Path) -> str:
        """Content of a file that is to appear complete (written beside and renamed)."""
        await eventually(path.exists, f"{path.name} does not appear")
        return await asyncio.to_thread(path.read_text)


async def eventually(holds: Callable[[], bool], otherwise: str, *, within: float = PATIENCE) -> None:
    """Waits for what can only be looked at; raises AssertionError with `otherwise`."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise)
        await asyncio.sleep(0.005)


def remains(pod_ids: list[str], data_dir: Path) -> list[str]:
    """Every live process that carries a marker of the pods or names the data directory, and every mount below it."""
    found = []
    wanted = {f"{names.ENV_POD}={pod_id}".encode() for pod_id in pod_ids}
    place = os.fsencode(data_dir)
    for name in filter(str.isdigit, os.listdir("/proc")):
        if int(name) == os.getpid():
            continue
        try:
            state = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()[0]
            environment = Path("/proc", name, "environ").read_bytes().split(b"\0")
            command = Path("/proc", name, "cmdline").read_bytes()
        except OSError:
            continue
        if state != b"Z" and (wanted & set(environment) or place in command):
            found.append(f"process {name}: {shlex.quote(command.decode(errors='replace')[:200])}")
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return found + [f"mount: {line}" for line in mounts if str(data_dir) in line]


def marked(pod_id: str) -> int:
    """How many live processes carry the marker of a pod."""
    return len(remains([pod_id], Path("/nonexistent/never")))
