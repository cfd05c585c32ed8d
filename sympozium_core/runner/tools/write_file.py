"""Writes a whole file: a reader sees the old one or the new one, never a half."""

from __future__ import annotations

import os
import stat

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools.roots import Location, Roots, ToolFailure, failures

MAX_CONTENT = 4 * 1024 * 1024

DEFINITION = ToolDefinition(
    name="write_file",
    description="Write a text file in /workspace or /tmp. Replaces what is there; makes missing directories.",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Path of the file, absolute or relative to /workspace."},
            "content": {"type": "string", "description": "The whole new content."},
        },
        "required": ["path", "content"],
        "additionalProperties": False,
    },
)


def run(arguments: Fields, roots: Roots) -> str:
    location = roots.locate(arguments.text("path", 4096, least=1), write=True)
    data = arguments.text("content", MAX_CONTENT).encode("utf-8", "replace")
    replace(location, data)
    return f"Wrote {len(data)} bytes to {location.shown}."


def replace(location: Location, data: bytes) -> None:
    """Puts a regular file in place of a regular file or of nothing; keeps its mode. Raises ToolFailure."""
    if not location.path:
        raise ToolFailure(f"{location.shown} is a directory")
    with failures(location):
        location.root.write_bytes(location.path, data, mode=_mode(location))


def _mode(location: Location) -> int:
    """Permission bits of the file that is there. Raises FileRefused for what is no regular file."""
    try:
        descriptor = location.root.open_file(location.path, single_link=False)
    except FileNotFoundError:
        return 0o644
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o777
    finally:
        os.close(descriptor)
