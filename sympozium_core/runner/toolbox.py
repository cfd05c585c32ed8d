"""The tools of a run: what is offered to the model, and how a call of each is run. Nothing that a tool does ends the run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from threading import Lock, Thread
from typing import Any

from sympozium_core.ipc.fields import Fields, ProtocolError
from sympozium_core.ipc.protocol import ToolDefinition, ToolResult
from sympozium_core.ipc.task import OfferedTool
from sympozium_core.names import NATIVE_SERVER
from sympozium_core.runner.answer import Call
from sympozium_core.runner.progress import Progress
from sympozium_core.runner.server_calls import ServerCalls
from sympozium_core.runner.stop import Stopped
from sympozium_core.runner.tools.native import NATIVE, NativeTool
from sympozium_core.runner.tools.roots import Roots, ToolFailure

PARALLEL = 8
"""Calls to tool servers that run at the same time."""
TARGET = "target"


class Toolbox:
    """`offer` is the JSON list for the model; the same task gives the same text."""

    def __init__(self, tools: Sequence[OfferedTool], roots: Roots, servers: ServerCalls, progress: Progress) -> None:
        self._tools = {tool.definition.name: tool for tool in tools}
        self._roots = roots
        self._servers = servers
        self._progress = progress
        for index, tool in enumerate(tools):
            if tool.server == NATIVE_SERVER and tool.definition.name not in NATIVE:
                message = f"{tool.definition.name!r} is no native tool; there are {', '.join(NATIVE)}"
                raise ProtocolError("input/task.json", f"tools[{index}].name", message)
        functions = [{"type": "function", "function": _definition(tool).to_json()} for tool in self._tools.values()]
        self.offer = json.dumps(functions, ensure_ascii=False, separators=(",", ":")) if functions else ""

    def mutates(self, call: Call) -> bool:
        """Whether it is a native call that changes files: after a crash nobody knows whether it happened."""
        tool = self._tools.get(call.tool)
        return tool is not None and tool.server == NATIVE_SERVER and NATIVE[call.tool].mutates

    def run(self, calls: Sequence[Call]) -> list[ToolResult]:
        """Results in the order of the calls. Native calls run one after another, in that order, because they share files; calls to
        servers run beside them and each other. Raises Stopped."""
        results: dict[str, ToolResult] = {}
        stopped: list[Stopped] = []
        remote = iter([call for call in calls if self._is_remote(call)])
        lock = Lock()

        def work() -> None:
            while not stopped:
                with lock:
                    call = next(remote, None)
                if call is None:
                    return
                try:
                    results[call.id] = self._timed(call)
                except Stopped as error:
                    stopped.append(error)

        native = [call for call in calls if not self._is_remote(call)]
        # This thread is one of those that call, when it has nothing else to do.
        count = min(PARALLEL, len(calls) - len(native)) - (not native)
        threads = [Thread(target=work, name=f"call-{number}", daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            for call in native:
                results[call.id] = self._timed(call)
            if not native:
                work()
        finally:
            for thread in threads:
                thread.join()
        if stopped:
            raise stopped[0]
        return [results[call.id] for call in calls]

    def _is_remote(self, call: Call) -> bool:
        tool = self._tools.get(call.tool)
        return tool is not None and tool.server != NATIVE_SERVER and not call.problem

    def _timed(self, call: Call) -> ToolResult:
        self._progress.tool(call.id, call.tool, "started")
        begin = time.monotonic()
        try:
            result = self._one(call)
        except Stopped:
            raise
        except Exception as error:
            # A defect in a tool is told to the model by its kind alone: a message could hold paths of this machine.
            result = ToolResult(call.id, "error", f"the tool failed: {type(error).__name__}")
        self._progress.tool(call.id, call.tool, result.status, int((time.monotonic() - begin) * 1000))
        return result

    def _one(self, call: Call) -> ToolResult:
        tool = self._tools.get(call.tool)
        if tool is None:
            there = ", ".join(self._tools) or "none"
            return ToolResult(call.id, "error", f"there is no tool {call.tool[:64]!r}; the tools are: {there}")
        if call.problem:
            return ToolResult(call.id, "error", call.problem)
        if tool.server == NATIVE_SERVER:
            return self._native(NATIVE[call.tool], call)
        server, arguments = _route(tool, call.arguments)
        if not server:
            return ToolResult(call.id, "error", f"target must be one of: {', '.join(tool.servers)}")
        return self._servers.call(server, call.id, call.tool, arguments)

    def _native(self, tool: NativeTool, call: Call) -> ToolResult:
        try:
            return ToolResult(call.id, "ok", tool.run(Fields(call.arguments, "arguments"), self._roots))
        except ToolFailure as error:
            return ToolResult(call.id, "error", str(error))
        except ProtocolError as error:
            return ToolResult(call.id, "error", error.message)


def _definition(tool: OfferedTool) -> ToolDefinition:
    definition = NATIVE[tool.definition.name].definition if tool.server == NATIVE_SERVER else tool.definition
    if len(tool.servers) < 2:
        return definition
    properties = dict(definition.parameters.get("properties", {}))
    if TARGET in properties and properties[TARGET].get("enum"):
        return definition
    properties[TARGET] = {
        "type": "string",
        "enum": list(tool.servers),
        "description": f"Where to run it: the skill's name. Default: {tool.server}.",
    }
    return ToolDefinition(definition.name, definition.description, {**definition.parameters, "properties": properties})


def _route(tool: OfferedTool, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Server and arguments of a call; the server is empty where `target` names none that serves the tool."""
    if not tool.servers or TARGET not in arguments:
        return tool.server, arguments
    target = arguments[TARGET] or tool.server
    rest = {name: value for name, value in arguments.items() if name != TARGET}
    return (target if target in tool.servers else ""), rest
