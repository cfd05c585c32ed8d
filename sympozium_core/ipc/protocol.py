"""What is in the files that carry tool calls, results and progress: one dataclass a file, its strict reader and its JSON form.

Readers take the object that `files.Root.read_json` gives and raise `ProtocolError`, which names file and field. The JSON Schemas in `schemas/`
say the same for other languages; the tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.ipc.fields import ARTIFACT_NAME, IDENTIFIER, TOOL_NAME, Fields, ProtocolError
from sympozium_core.ipc.layout import MAX_PROGRESS, MAX_TOOL_RESULT, MAX_TOOLS, PROTOCOL_VERSION

TOOL_STATUSES = ("ok", "error", "denied", "timeout", "unknown")
RUN_STATUSES = ("success", "error")
RUN_REASONS = ("Completed", "ModelError", "ToolError", "BudgetExceeded", "Timeout", "Cancelled", "InfrastructureError")
STREAM_TYPES = ("turn", "text", "tool", "compacted")

MAX_TIME = 1e11
"""Epoch seconds, far beyond any deadline."""
MAX_DESCRIPTION = 8192
MAX_ARGV, MAX_WORD = 512, 32_768
"""Words of a command, and characters of one."""
MAX_ARTIFACTS = 64
MAX_RESPONSE = 4 * 1024 * 1024
MAX_COUNT = 1_000_000_000


@dataclass(frozen=True)
class ToolRequest:
    """``tools/<server>/requests/<id>.json``: one call, to be run at most once."""

    id: str
    tool: str
    arguments: Mapping[str, Any]
    deadline: float = 0.0
    """Epoch seconds by which the answer is needed; 0 leaves it to the server."""
    trace: str = ""
    """W3C trace context (``traceparent``), to be passed on."""
    argv: tuple[str, ...] = ()
    """From the bridge, of a command that a policy has judged by its words: run exactly these, without a shell. An agent's own is not read."""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"id": self.id, "tool": self.tool, "arguments": dict(self.arguments)}
        if self.argv:
            data["argv"] = list(self.argv)
        if self.deadline:
            data["deadline"] = self.deadline
        if self.trace:
            data["trace"] = self.trace
        return data


@dataclass(frozen=True)
class ToolResult:
    """``tools/<server>/results/<id>.json``: how the call of the same id ended."""

    id: str
    status: str
    """One of TOOL_STATUSES. ``ok`` also where a command ran and failed: then `exit_code` says so."""
    content: str = ""
    exit_code: int | None = None
    truncated: bool = False
    artifacts: tuple[str, ...] = ()
    """Names of files in ``tools/<server>/artifacts``, with what did not fit."""

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = {"id": self.id, "status": self.status, "content": self.content}
        if self.exit_code is not None:
            data["exitCode"] = self.exit_code
        if self.truncated:
            data["truncated"] = True
        if self.artifacts:
            data["artifacts"] = list(self.artifacts)
        return data


@dataclass(frozen=True)
class ToolProgress:
    """``tools/<server>/progress/<id>.<n>.json``: what a call says while it runs, for people who watch; the model never sees it."""

    id: str
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "text": self.text}


@dataclass(frozen=True)
class ToolDefinition:
    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of the arguments, of type object."""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


@dataclass(frozen=True)
class Manifest:
    """``tools/<server>/manifest.json``: written by a tool server when it is ready for calls."""

    tools: tuple[ToolDefinition, ...]

    def to_json(self) -> dict[str, Any]:
        return {"version": PROTOCOL_VERSION, "tools": [tool.to_json() for tool in self.tools]}


@dataclass(frozen=True)
class Metrics:
    """The agent's own claim; never billed."""

    turns: int = 0
    tool_calls: int = 0
    duration_ms: int = 0


@dataclass(frozen=True)
class RunResult:
    """``output/result.json``: the end of the run, as the agent tells it."""

    status: str
    reason: str
    response: str = ""
    error: str = ""
    metrics: Metrics = field(default_factory=Metrics)

    def to_json(self) -> dict[str, Any]:
        counts = {"turns": self.metrics.turns, "toolCalls": self.metrics.tool_calls, "durationMs": self.metrics.duration_ms}
        return {
            "version": PROTOCOL_VERSION,
            "status": self.status,
            "reason": self.reason,
            "response": self.response,
            "error": self.error,
            "metrics": counts,
        }


@dataclass(frozen=True)
class StreamEvent:
    """``output/stream-<n>.json``: progress, for people. `data` is the whole object, `type` included."""

    type: str
    data: Mapping[str, Any]


def parse_tool_request(data: Any, file: str) -> ToolRequest:
    fields = Fields(data, file)
    return ToolRequest(
        id=fields.match("id", IDENTIFIER),
        tool=fields.match("tool", TOOL_NAME),
        arguments=fields.mapping("arguments"),
        deadline=fields.number("deadline", 0, MAX_TIME, 0.0),
        trace=fields.text("trace", 512, ""),
        argv=fields.texts("argv", MAX_ARGV, MAX_WORD),
    )


def parse_tool_result(data: Any, file: str) -> ToolResult:
    fields = Fields(data, file)
    return ToolResult(
        id=fields.match("id", IDENTIFIER),
        status=fields.choice("status", TOOL_STATUSES),
        content=fields.text("content", MAX_TOOL_RESULT, ""),
        exit_code=fields.integer("exitCode", -1024, 1 << 31) if fields.has("exitCode") else None,
        truncated=fields.flag("truncated"),
        artifacts=fields.texts("artifacts", MAX_ARTIFACTS, 128, ARTIFACT_NAME),
    )


def parse_tool_progress(data: Any, file: str) -> ToolProgress:
    fields = Fields(data, file)
    return ToolProgress(id=fields.match("id", IDENTIFIER), text=fields.text("text", MAX_PROGRESS))


def parse_tool_definition(fields: Fields) -> ToolDefinition:
    """One entry of a manifest's list, also used for the tools of a task."""
    parameters = fields.mapping("parameters")
    if parameters.get("type", "object") != "object":
        raise fields.fail("parameters.type", "must be 'object': the arguments of a tool are an object")
    if not isinstance(parameters.get("properties", {}), dict):
        raise fields.fail("parameters.properties", "must be an object")
    return ToolDefinition(
        name=fields.match("name", TOOL_NAME),
        description=fields.text("description", MAX_DESCRIPTION, ""),
        parameters={"type": "object", **parameters},
    )


def parse_manifest(data: Any, file: str) -> Manifest:
    fields = Fields(data, file)
    check_version(fields)
    tools = tuple(parse_tool_definition(item) for item in fields.objects("tools", MAX_TOOLS, required=True))
    names = [tool.name for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise fields.fail(f"tools[{index}].name", f"{name!r} is there twice")
    return Manifest(tools)


def parse_run_result(data: Any, file: str) -> RunResult:
    fields = Fields(data, file)
    check_version(fields)
    metrics = Fields(fields.mapping("metrics"), file, "metrics")
    return RunResult(
        status=fields.choice("status", RUN_STATUSES),
        reason=fields.choice("reason", RUN_REASONS),
        response=fields.text("response", MAX_RESPONSE, ""),
        error=fields.text("error", 4096, ""),
        metrics=Metrics(
            turns=metrics.integer("turns", 0, MAX_COUNT, 0),
            tool_calls=metrics.integer("toolCalls", 0, MAX_COUNT, 0),
            duration_ms=metrics.integer("durationMs", 0, MAX_COUNT, 0),
        ),
    )


def parse_stream_event(data: Any, file: str) -> StreamEvent:
    fields = Fields(data, file)
    return StreamEvent(fields.choice("type", STREAM_TYPES), fields.data)


def check_version(fields: Fields) -> None:
    """Raises where the file is of another version of the protocol."""
    if fields.integer("version", 0, 1 << 31) != PROTOCOL_VERSION:
        raise fields.fail("version", f"only version {PROTOCOL_VERSION} is known")


__all__ = [
    "Manifest",
    "Metrics",
    "ProtocolError",
    "RunResult",
    "StreamEvent",
    "ToolDefinition",
    "ToolProgress",
    "ToolRequest",
    "ToolResult",
    "check_version",
    "parse_manifest",
    "parse_run_result",
    "parse_stream_event",
    "parse_tool_definition",
    "parse_tool_progress",
    "parse_tool_request",
    "parse_tool_result",
]
