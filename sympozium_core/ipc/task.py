"""``input/task.json``: everything that the runner is told, written by the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympozium_core.ipc.fields import IDENTIFIER, SERVER_NAME, Fields
from sympozium_core.ipc.layout import MAX_TASK, MAX_TOOLS, PROTOCOL_VERSION
from sympozium_core.ipc.protocol import (
    MAX_TIME,
    ToolDefinition,
    ToolResult,
    check_version,
    parse_tool_definition,
    parse_tool_result,
)

MAX_MESSAGES = 100_000
MAX_SKILLS = 256
MAX_NAME = 253


@dataclass(frozen=True)
class RunIdentity:
    uid: str = ""
    name: str = ""
    namespace: str = ""
    instance: str = ""
    attempt: int = 1


@dataclass(frozen=True)
class ModelEndpoint:
    base_url: str
    name: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class OfferedTool:
    definition: ToolDefinition
    server: str
    """Who runs it; `names.NATIVE_SERVER` for the runner itself."""
    servers: tuple[str, ...] = ()
    """All that serve a tool of this name, where there are several; the argument ``target`` chooses among them."""


@dataclass(frozen=True)
class SkillEntry:
    name: str
    description: str
    path: str


@dataclass(frozen=True)
class TaskLimits:
    max_turns: int = 50
    max_tool_calls: int = 200
    deadline: float = 0.0
    """Epoch seconds; 0 is none."""
    context_bytes: int = 400_000
    tool_result_bytes: int = 8_000
    approval_seconds: float = 0.0
    """How much longer than a call takes its answer may be waited for: a person may be asked first."""


@dataclass(frozen=True)
class Resume:
    """The conversation of earlier attempts, ending in the model's last finished answer."""

    messages: tuple[Mapping[str, Any], ...]
    tool_results: Mapping[str, ToolResult]
    unknown: frozenset[str]
    workspace_lost: bool = False
    """/workspace is empty: what earlier attempts made there is gone."""


@dataclass(frozen=True)
class Task:
    run: RunIdentity
    text: str
    system_prompt: str
    model: ModelEndpoint
    tools: tuple[OfferedTool, ...] = ()
    skills: tuple[SkillEntry, ...] = ()
    prompt_sections: tuple[str, ...] = ()
    limits: TaskLimits = TaskLimits()
    resume: Resume | None = None

    def to_json(self) -> dict[str, Any]:
        """The file's content; the inverse of `parse_task`."""
        run, limits = self.run, self.limits
        return {
            "version": PROTOCOL_VERSION,
            "run": {
                "uid": run.uid,
                "name": run.name,
                "namespace": run.namespace,
                "instance": run.instance,
                "attempt": run.attempt,
            },
            "task": self.text,
            "systemPrompt": self.system_prompt,
            "promptSections": list(self.prompt_sections),
            "model": {"baseURL": self.model.base_url, "token": self.model.token, "name": self.model.name},
            "tools": [_tool_to_json(tool) for tool in self.tools],
            "skills": [{"name": s.name, "description": s.description, "path": s.path} for s in self.skills],
            "limits": {
                "maxTurns": limits.max_turns,
                "maxToolCalls": limits.max_tool_calls,
                "deadline": limits.deadline,
                "contextBytes": limits.context_bytes,
                "toolResultBytes": limits.tool_result_bytes,
                "approvalSeconds": limits.approval_seconds,
            },
            "resume": _resume_to_json(self.resume) if self.resume else None,
        }


def parse_task(data: Any, file: str) -> Task:
    """Raises ProtocolError, naming the field."""
    fields = Fields(data, file)
    check_version(fields)
    return Task(
        run=_run(fields),
        text=fields.text("task", MAX_TASK, least=1),
        system_prompt=fields.text("systemPrompt", MAX_TASK, ""),
        model=_model(fields.inner("model")),
        tools=tuple(_tool(item) for item in fields.objects("tools", MAX_TOOLS)),
        skills=tuple(_skill(item) for item in fields.objects("skills", MAX_SKILLS)),
        prompt_sections=fields.texts("promptSections", 64, MAX_TASK),
        limits=_limits(Fields(fields.mapping("limits"), file, "limits")),
        resume=_resume(fields.inner("resume")) if fields.has("resume") else None,
    )


def _run(fields: Fields) -> RunIdentity:
    run = Fields(fields.mapping("run"), fields.file, "run")
    return RunIdentity(
        uid=run.text("uid", MAX_NAME, ""),
        name=run.text("name", MAX_NAME, ""),
        namespace=run.text("namespace", MAX_NAME, ""),
        instance=run.text("instance", MAX_NAME, ""),
        attempt=run.integer("attempt", 1, 1_000_000, 1),
    )


def _model(fields: Fields) -> ModelEndpoint:
    url = fields.text("baseURL", 2048, least=1)
    if not url.startswith("http://"):
        raise fields.fail("baseURL", "must begin with http://: the model is asked by way of the bridge, on this machine")
    token = fields.text("token", 4096, "")
    if not token.isascii() or not token.isprintable():
        raise fields.fail("token", "must be printable ASCII, because it travels in a header")
    return ModelEndpoint(base_url=url, name=fields.text("name", 256, least=1), token=token)


def _tool(fields: Fields) -> OfferedTool:
    return OfferedTool(
        definition=parse_tool_definition(fields),
        server=fields.match("server", SERVER_NAME),
        servers=fields.texts("servers", MAX_TOOLS, 63, SERVER_NAME),
    )


def _skill(fields: Fields) -> SkillEntry:
    return SkillEntry(
        name=fields.text("name", MAX_NAME, least=1),
        description=fields.text("description", 4096, ""),
        path=fields.text("path", 1024, least=1),
    )


def _limits(fields: Fields) -> TaskLimits:
    return TaskLimits(
        max_turns=fields.integer("maxTurns", 1, 100_000, TaskLimits.max_turns),
        max_tool_calls=fields.integer("maxToolCalls", 0, 1_000_000, TaskLimits.max_tool_calls),
        deadline=fields.number("deadline", 0, MAX_TIME, 0.0),
        context_bytes=fields.integer("contextBytes", 1_000, 1 << 30, TaskLimits.context_bytes),
        tool_result_bytes=fields.integer("toolResultBytes", 200, 1 << 24, TaskLimits.tool_result_bytes),
        approval_seconds=fields.number("approvalSeconds", 0, MAX_TIME, 0.0),
    )


def _resume(fields: Fields) -> Resume:
    results = Fields(fields.mapping("toolResults"), fields.file, fields.name("toolResults"))
    parsed = {}
    for call, result in results.data.items():
        if not IDENTIFIER.match(call):
            raise results.fail(call[:64], "is no id of a call")
        if not isinstance(result, dict):
            raise results.fail(call, "must be an object")
        # The id is the key; the journal does not repeat it inside.
        parsed[call] = parse_tool_result({**result, "id": call}, fields.file)
    messages = fields.objects("messages", MAX_MESSAGES)
    for message in messages:
        message.choice("role", ("system", "user", "assistant", "tool", "developer"))
    return Resume(
        messages=tuple(message.data for message in messages),
        tool_results=parsed,
        unknown=frozenset(fields.texts("unknown", MAX_MESSAGES, 64, IDENTIFIER)),
        workspace_lost=fields.flag("workspaceLost"),
    )


def _tool_to_json(tool: OfferedTool) -> dict[str, Any]:
    data: dict[str, Any] = {**tool.definition.to_json(), "server": tool.server}
    if tool.servers:
        data["servers"] = list(tool.servers)
    return data


def _resume_to_json(resume: Resume) -> dict[str, Any]:
    return {
        "messages": [dict(message) for message in resume.messages],
        "toolResults": {call: result.to_json() for call, result in resume.tool_results.items()},
        "unknown": sorted(resume.unknown),
        "workspaceLost": resume.workspace_lost,
    }
