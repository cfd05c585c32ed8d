"""Runs one skill alone, in a sandbox of this machine, and asks its tool server as a bridge does: no run, no model, no control plane.

async with on_trial(found, TrialSettings(folder_for_data)) as trial:
    result = await trial.call("count_words", {"text": "to be or not"})
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sympozium_core import names
from sympozium_core.bridge.tool_server import ToolServer
from sympozium_core.contracts.plan import Container, PodPlan
from sympozium_core.contracts.sandbox import ContainerStatus, Sandbox, SandboxContext
from sympozium_core.errors import Cause, Permanent, Refused
from sympozium_core.ipc.protocol import ToolDefinition, ToolRequest, ToolResult
from sympozium_core.planning.inputs import SkillSource
from sympozium_core.planning.sidecars import sidecar
from sympozium_core.processes.sandboxes import SandboxChoice, facts_of
from sympozium_core.processes.skill_folders import FoundFolder
from sympozium_core.registry.drivers import Drivers

_WAITS = (sys.executable, "-S", "-c", "import signal; signal.pause()")
_INSTANCE: Mapping[str, Any] = {"metadata": {"uid": "trial"}, "spec": {"memory": {"enabled": True}}}
"""Of which the skill is tried: it has a memory, which is new each time."""
"""What stands where the agent would: a pod has one."""
START = 20.0
"""Seconds for the server to say what it serves."""
GRACE = 5.0


@dataclass(frozen=True)
class TrialSettings:
    data_dir: Path
    """Empty, and its caller's to remove."""
    sandbox: str = ""
    """As `settings.EmbeddedSettings.sandbox`."""
    params: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the skill, as an instance's ``skills[].params``."""
    secret: Mapping[str, bytes] = field(default_factory=dict)
    """What is in the Secret, whichever the skill asks for; empty: it gets none, and its tools say what is missing."""
    heard: Callable[[str], None] = field(default=lambda text: None)
    """Told what a running tool says meanwhile."""


class Trial:
    """A skill whose server is up."""

    def __init__(self, server: ToolServer, tools: tuple[ToolDefinition, ...], sandbox: str, took: float, pod: Path) -> None:
        self.tools = tools
        self.sandbox = sandbox
        """One line: which, and why."""
        self.took = took
        """Seconds from the start of its container to its manifest."""
        self.workspace = pod / "workspace"
        self._server = server
        self._count = itertools.count(1)

    async def call(self, tool: str, arguments: Mapping[str, Any], seconds: float = 120.0) -> ToolResult:
        call = f"trial-{next(self._count)}"
        return await self._server.call(ToolRequest(call, tool, arguments, time.time() + seconds))


@asynccontextmanager
async def on_trial(found: FoundFolder, settings: TrialSettings) -> AsyncIterator[Trial]:
    """Raises Refused where the skill has no server here, and Permanent with its last words where the server does not come up."""
    if not found.command:
        image = found.sidecar.get("image")
        what = f"brings its tools as image {image!r} alone" if image else "is instructions only"
        hint = (
            "say sidecar.command with a word that begins with ./, or sidecar.tools"
            if image
            else "there is nothing to run; try: sympozium skills lint"
        )
        raise Refused([Cause("", f"skill {found.name!r} {what}", hint)], reason=names.Reason.INFRASTRUCTURE_ERROR)
    choice = SandboxChoice(Drivers(names.GROUP_SANDBOXES, Sandbox), settings.sandbox)
    with _shown_to_sandboxes(found.folder):
        name, driver = await choice.choose()
        changed = asyncio.Event()
        pods, memories = settings.data_dir / "pods", settings.data_dir / "memory"
        context = SandboxContext(
            pods,
            "unix:///nowhere/bus.sock",
            lambda pod: "",
            lambda pod: changed.set(),
            secret=lambda namespace, name: _given(settings.secret),
            memory_dir=memories,
        )
        await driver.open(context)
    pod = f"trial-{uuid.uuid4().hex[:12]}"
    source = SkillSource(found.name, found.pack, settings.params, found.command)
    container = replace(sidecar(source, facts_of(name, driver), _INSTANCE), kubernetes=False)
    if not settings.secret:
        container = replace(container, secret="", secret_path="", secret_env={})
    try:
        began = time.monotonic()
        await driver.start(pod, PodPlan((Container("agent", "agent", _WAITS), container), memory=_INSTANCE["metadata"]["uid"]))
        async with _server(found.name, pods / pod / "volumes" / container.name) as server:
            server.heard = lambda name, call, text: settings.heard(text)
            tools = await _tools(driver, pod, container.name, server, changed)
            yield Trial(server, tools, choice.why, time.monotonic() - began, pods / pod)
            server.finish()
    finally:
        with contextlib.suppress(Exception):
            await driver.stop(pod, grace=GRACE)
        await driver.remove(pod)
        await driver.close()


async def _given(secret: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return secret


@asynccontextmanager
async def _server(name: str, volume: Path) -> AsyncIterator[ToolServer]:
    server = ToolServer(name, volume)
    watching = asyncio.create_task(server.watch())
    try:
        yield server
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        server.close()


async def _tools(
    driver: Sandbox, pod: str, container: str, server: ToolServer, changed: asyncio.Event
) -> tuple[ToolDefinition, ...]:
    """What the server says, or why it says nothing."""
    end = time.monotonic() + START
    while not server.tools.done():
        changed.clear()
        status = (await driver.observe(pod)).containers.get(container, ContainerStatus("waiting"))
        if status.state == "ended":
            raise Permanent(f"the tool server ended with {status.exit_code}: {status.message.strip() or 'it wrote nothing'}")
        left = end - time.monotonic()
        if left <= 0:
            why = server.manifest_error or f"there is no manifest after {START:.0f} s"
            raise Permanent(f"the tool server does not come up: {why}", hint="docs/ipc.md says what a tool server writes")
        waiting = asyncio.ensure_future(changed.wait())
        await asyncio.wait((server.tools, waiting), timeout=min(left, 1.0), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    return server.tools.result()


@contextlib.contextmanager
def _shown_to_sandboxes(folder: Path) -> Any:
    """A sandbox shows what is on Python's path, and nothing else of the machine: for the while of its opening, the folder of the skill too."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder.resolve()), before)))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
