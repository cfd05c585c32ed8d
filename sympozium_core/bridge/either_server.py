"""A sidecar from an image of which nobody knows whether it speaks our files or those of the original's images (`ipc.legacy`).

It is asked to run ``true`` in the old way while its manifest is awaited. What speaks ours has written its manifest before it looks at a request; an
image of the original never writes one, answers, and is from then on asked in the old way for commands and for the tools that its SkillPack declares.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sympozium_core.bridge.tool_server import LATE_SECONDS, ToolServer
from sympozium_core.contracts.plan import DeclaredTool
from sympozium_core.contracts.plan import ToolServer as ServerPlan
from sympozium_core.errors import Permanent
from sympozium_core.ipc import layout
from sympozium_core.ipc.async_watch import changes
from sympozium_core.ipc.declared import DeclaredCommand
from sympozium_core.ipc.files import FileRefused
from sympozium_core.ipc.legacy import LegacyRequest, LegacyResult, parse_legacy_result, request_path, result_path
from sympozium_core.ipc.output import TOOK_TOO_LONG, content_of
from sympozium_core.ipc.protocol import ToolDefinition, ToolRequest, ToolResult
from sympozium_core.ipc.watch import Watch
from sympozium_core.names import Tool

TIMEOUT, LONGEST = 30, 120
"""Seconds of a command; images of the original end one after 120, whatever they are told."""
WORKSPACE = "/workspace"
_ENDED = 124
"""Exit code of a command that took too long."""
_RESULT = layout.LEGACY_RESULT_PREFIX.removeprefix(f"{layout.TOOLS}/")

EXECUTE_COMMAND = ToolDefinition(
    Tool.EXECUTE_COMMAND,
    "Run a shell command in the container of this skill. Gives its output and exit code. Each command runs in a fresh shell.",
    {
        "type": "object",
        "properties": {
            "command": {"type": "string", "description": "The command line."},
            "workdir": {"type": "string", "description": "Directory to run it in.", "default": WORKSPACE},
            "timeout": {
                "type": "integer",
                "description": f"Seconds after which it is ended, at most {LONGEST}.",
                "default": TIMEOUT,
            },
        },
        "required": ["command"],
        "additionalProperties": False,
    },
)

logger = logging.getLogger(__name__)


class EitherServer(ToolServer):
    """Implements `server.Server`."""

    def __init__(self, plan: ServerPlan, volume: Path) -> None:
        super().__init__(plan.name, volume)
        self._declared = {tool.name: _command_of(tool) for tool in plan.declared}
        self._probe = f"probe-{uuid.uuid4().hex[:12]}"
        self._speaks_legacy = False
        self._answers: dict[str, asyncio.Future[LegacyResult]] = {}

    async def watch(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(super().watch())
            group.create_task(self._watch_legacy())

    async def call(self, request: ToolRequest) -> ToolResult:
        if not self._speaks_legacy:
            return await super().call(request)
        try:
            legacy = self._translated(request)
        except ValueError as error:
            return ToolResult(request.id, "error", str(error))
        answer: asyncio.Future[LegacyResult] = asyncio.get_running_loop().create_future()
        self._answers[request.id] = answer
        try:
            self.root.write_json(request_path(request.id), legacy.to_json())
            async with asyncio.timeout(max(0.0, request.deadline + LATE_SECONDS - time.time())):
                return _result(request.id, await answer)
        except TimeoutError:
            return ToolResult(request.id, "timeout", f"{self.name} did not answer by the deadline of the call")
        except FileRefused as error:
            return ToolResult(request.id, "error", f"{self.name} cannot be reached: {error.what}")
        except Permanent as error:
            return ToolResult(request.id, "error", f"the tool ran, and its result was refused: {error}")
        finally:
            del self._answers[request.id]
            asyncio.get_running_loop().call_soon(self._forget, request_path(request.id), result_path(request.id))

    def _translated(self, request: ToolRequest) -> LegacyRequest:
        """Raises ValueError for arguments that make no command."""
        arguments = request.arguments
        seconds = request.deadline - time.time() if request.deadline else float(LONGEST)
        if request.tool != Tool.EXECUTE_COMMAND:
            words, stdin = self._declared[request.tool].command_line(arguments)
            timeout = max(1.0, min(seconds, LONGEST))
            return LegacyRequest(request.id, "", (), WORKSPACE, timeout, self.name, tuple(words), stdin)
        command = str(arguments.get("command") or "")
        if not command.strip() or "\0" in command:
            raise ValueError("the argument 'command' is empty or holds a NUL; give one command line")
        wanted = arguments.get("timeout", TIMEOUT)
        timeout = wanted if isinstance(wanted, int | float) and 0 < wanted <= LONGEST else TIMEOUT
        workdir = str(arguments.get("workdir") or WORKSPACE)
        return LegacyRequest(request.id, command, (), workdir, max(1.0, min(timeout, seconds)), self.name, request.argv)

    async def _watch_legacy(self) -> None:
        with Watch(self.root, (layout.TOOLS,)) as watch:
            self._ask_in_the_old_way()
            async for batch in changes(watch):
                for found in batch:
                    if found.name.startswith(_RESULT):
                        self._take_legacy(found.name.removeprefix(_RESULT).removesuffix(".json"))

    def _ask_in_the_old_way(self) -> None:
        asked = LegacyRequest(self._probe, "true", (), "", 5.0, self.name, ("true",))
        try:
            self.root.write_json(request_path(self._probe), asked.to_json())
        except (OSError, FileRefused) as error:
            logger.warning("%s cannot be asked in the way of the original's images: %s", self.name, error)

    def _take_legacy(self, call: str) -> None:
        if call == self._probe:
            self._probed()
        answer = self._answers.get(call)
        if answer is None or answer.done():
            return
        path = result_path(call)
        try:
            answer.set_result(parse_legacy_result(self.root.read_json(path, layout.MAX_TOOL_RESULT), path))
        except FileNotFoundError:
            return
        except (OSError, Permanent) as error:
            answer.set_exception(error if isinstance(error, Permanent) else Permanent(str(error)))

    def _probed(self) -> None:
        self._forget(request_path(self._probe), result_path(self._probe))
        if self.tools.done() or self.root.exists(f"{layout.server_dir(self.name)}/{layout.MANIFEST}"):
            return
        self._speaks_legacy = True
        self.tools.set_result((EXECUTE_COMMAND,))


def _command_of(tool: DeclaredTool) -> DeclaredCommand:
    parameters: Mapping[str, Any] = tool.parameters
    stdin = tool.input_mode == "stdin"
    return DeclaredCommand(tool.name, tool.description, tool.exec, tool.subcommand, stdin, tool.positional_args, parameters)


def _result(call: str, legacy: LegacyResult) -> ToolResult:
    late = legacy.timed_out or legacy.exit_code == _ENDED
    content = content_of(legacy.stdout, legacy.stderr, TOOK_TOO_LONG if late else "")
    return ToolResult(call, "timeout" if late else "ok", content, exit_code=legacy.exit_code)
