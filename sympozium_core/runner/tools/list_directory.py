"""Lists a directory: type, size and name of each entry, sorted by name."""

from __future__ import annotations

import itertools
import os
import stat

from sympozium_core.ipc.fields import Fields
from sympozium_core.ipc.protocol import ToolDefinition
from sympozium_core.runner.tools.roots import Roots, failures

MAX_ENTRIES = 500
"""Entries that are shown."""
MAX_SCANNED = 100_000

DEFINITION = ToolDefinition(
    name="list_directory",
    description="List a directory of /workspace, /tmp or /skills: one line for each entry with type, size in bytes and name.",
    parameters={
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "description": "Path of the directory, absolute or relative to /workspace. Default: /workspace.",
            }
        },
        "required": [],
        "additionalProperties": False,
    },
)


def run(arguments: Fields, roots: Roots) -> str:
    location = roots.locate(arguments.text("path", 4096, ""))
    with failures(location):
        descriptor = location.root.open_directory(location.path)
        try:
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in itertools.islice(entries, MAX_SCANNED))
            lines = [_line(descriptor, name) for name in names[:MAX_ENTRIES]]
        finally:
            os.close(descriptor)
    if not names:
        return f"{location.shown} is empty."
    if len(names) > MAX_ENTRIES:
        more = "at least " if len(names) == MAX_SCANNED else ""
        lines.append(f"[{MAX_ENTRIES} of {more}{len(names)} entries. Use grep_search with a glob to find others.]")
    return "\n".join(lines)


def _line(directory: int, name: str) -> str:
    # Names are bytes on disk: what is not UTF-8 is shown with replacement marks.
    shown = os.fsencode(name).decode("utf-8", "replace")
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return f"gone {'-':>10} {shown}"
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return f"dir  {'-':>10} {shown}/"
    if stat.S_ISREG(mode):
        return f"file {status.st_size:>10} {shown}"
    return f"{'link' if stat.S_ISLNK(mode) else 'other':<4} {'-':>10} {shown}"
