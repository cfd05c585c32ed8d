"""Reads a text file, in parts of whole lines that fit into one result."""

from __future__ import annotations

import io
import os

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools.roots import Roots, ToolFailure, failures

MAX_SCANNED = 64 * 1024 * 1024
"""Bytes that are read on the way to `offset`."""
NOTICE = 200
"""Bytes kept free for the line that says what was left out."""

DEFINITION = ToolDefinition(
    name="read_file",
    description=(
        "Read a text file of /workspace, /tmp or /skills. Long files come in parts: the last line of a result says how to go on."
    ),
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Path of the file, absolute or relative to /workspace."},
            "offset": {"type": "integer", "minimum": 1, "description": "First line to read, counted from 1. Default: 1."},
            "limit": {"type": "integer", "minimum": 1, "description": "Number of lines. Default: as many as fit."},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
)


def run(arguments: Fields, roots: Roots) -> str:
    location = roots.locate(arguments.text("path", 4096, least=1))
    offset = arguments.integer("offset", 1, 1 << 40, 1)
    limit = arguments.integer("limit", 1, 1 << 40, 1 << 40)
    with failures(location):
        descriptor = location.root.open_file(location.path, single_link=False)
        with io.open(descriptor, "rb") as file:  # noqa: UP020 - a descriptor, not a path
            size = os.fstat(descriptor).st_size
            if b"\0" in file.peek(8192)[:8192]:
                raise ToolFailure(f"{location.shown} is a binary file of {size} bytes")
            _skip(file, offset - 1, location.shown)
            return _part(file, offset, limit, max(roots.result_bytes - NOTICE, 100), size)


def _skip(file: io.BufferedReader, lines: int, shown: str) -> None:
    scanned = 0
    for done in range(lines):
        line = file.readline(MAX_SCANNED - scanned + 1)
        scanned += len(line)
        if not line:
            raise ToolFailure(f"{shown} has only {done} lines")
        if scanned > MAX_SCANNED:
            raise ToolFailure(f"the line is beyond the first {MAX_SCANNED} bytes of {shown}")


def _part(file: io.BufferedReader, offset: int, limit: int, room: int, size: int) -> str:
    if size == 0:
        return "[The file is empty.]"
    lines: list[bytes] = []
    used = 0
    while len(lines) < limit:
        line = file.readline(room - used + 1)
        if not line:
            break
        if used + len(line) > room:
            if lines:
                return _text(lines) + _notice(offset, len(lines), size)
            # One line alone does not fit: its head is all that can be shown of it.
            head = _text([line[:room]])
            return (
                f"{head}\n[Line {offset} is longer than what fits into a result; this is its head. The file has {size} bytes.]"
            )
        lines.append(line)
        used += len(line)
    if not lines:
        return f"[The file ends before line {offset}.]"
    if file.peek(1):
        return _text(lines) + _notice(offset, len(lines), size)
    return _text(lines)


def _notice(offset: int, count: int, size: int) -> str:
    return f"[Lines {offset} to {offset + count - 1} of a file of {size} bytes. Go on with offset={offset + count}.]"


def _text(lines: list[bytes]) -> str:
    return b"".join(lines).decode("utf-8", "replace")
