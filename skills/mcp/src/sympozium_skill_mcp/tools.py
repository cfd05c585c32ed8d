"""Tools of MCP servers as tools of our own: definitions that fit, and results as text, with what is no text as files."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from typing import Any

from mcp_types import AudioContent, CallToolResult, EmbeddedResource, ImageContent, ResourceLink, TextContent, Tool

from sympozium_core.contracts.mcp import McpServer, offered_name
from sympozium_core.ipc.fields import Fields, ProtocolError
from sympozium_core.ipc.layout import MAX_MANIFEST, MAX_TOOLS
from sympozium_core.ipc.protocol import ToolDefinition, parse_tool_definition
from sympozium_core.sidecar.calls import Call, Outcome

MAX_SCHEMA = 32 * 1024
MAX_DESCRIPTION = 4096
MAX_FILES = 16
MAX_FILE = 16 * 1024 * 1024
_ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
}


def definitions(server: McpServer, tools: Iterable[Tool]) -> tuple[dict[str, ToolDefinition], list[str]]:
    """By the server's own names, those that are wanted and can be offered; and what is wrong with the others."""
    found: dict[str, ToolDefinition] = {}
    problems: list[str] = []
    for tool in tools:
        if not server.lists(tool.name):
            continue
        try:
            found[tool.name] = _definition(server, tool)
        except (ProtocolError, ValueError) as error:
            problems.append(f"{server.name}: tool {tool.name[:80]!r} is not offered: {error}"[:500])
    return found, problems


def within_bounds(all_of_them: Iterable[tuple[McpServer, str, ToolDefinition]]) -> list[tuple[McpServer, str, ToolDefinition]]:
    """As many as a manifest takes; the first of a name counts."""
    kept: list[tuple[McpServer, str, ToolDefinition]] = []
    taken, size = set[str](), 4096
    for server, tool, definition in all_of_them:
        size += len(json.dumps(definition.to_json()))
        if definition.name in taken or len(kept) >= MAX_TOOLS or size > MAX_MANIFEST:
            continue
        taken.add(definition.name)
        kept.append((server, tool, definition))
    return kept


def outcome(result: CallToolResult, call: Call) -> Outcome:
    """What the model reads. Every file is named in the text where it stood."""
    parts: list[str] = []
    files: list[str] = []
    for item in result.content:
        parts.append(_part(item, call, files))
    if not any(parts) and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return Outcome("\n".join(filter(None, parts)), "error" if result.is_error else "ok", artifacts=tuple(files))


def _definition(server: McpServer, tool: Tool) -> ToolDefinition:
    schema = {"type": "object", **tool.input_schema}
    if len(json.dumps(schema)) > MAX_SCHEMA:
        raise ValueError(f"its parameters are longer than {MAX_SCHEMA} bytes")
    said = {
        "name": offered_name(server.prefix, tool.name),
        "description": (tool.description or tool.title or "")[:MAX_DESCRIPTION],
        "parameters": schema,
    }
    return parse_tool_definition(Fields(said, server.name))


def _part(item: Any, call: Call, files: list[str]) -> str:
    if isinstance(item, TextContent):
        return item.text
    if isinstance(item, ImageContent | AudioContent):
        return _file(item.data, item.mime_type, call, files)
    if isinstance(item, ResourceLink):
        return f"[{item.name}: {item.uri}]"
    if isinstance(item, EmbeddedResource):
        text = getattr(item.resource, "text", None)
        if text is not None:
            return f"[{item.resource.uri}]\n{text}"
        return _file(str(getattr(item.resource, "blob", "")), item.resource.mime_type or "", call, files)
    return ""


def _file(data: str, kind: str, call: Call, files: list[str]) -> str:
    """What is no text is kept as an artifact of the call."""
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return f"[{kind[:100]}, which cannot be read]"
    if len(files) >= MAX_FILES or len(content) > MAX_FILE:
        return f"[{kind[:100]} of {len(content)} bytes, which is too much to keep]"
    name = call.save(f"{len(files) + 1}.{_ENDINGS.get(kind, 'bin')}", content)
    files.append(name)
    return f"[{kind[:100]} of {len(content)} bytes: file {name}]"
