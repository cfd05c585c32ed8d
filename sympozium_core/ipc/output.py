"""What a command said, as the content of one result."""

from __future__ import annotations

TOOK_TOO_LONG = "[The command took too long and was ended.]"
CANCELLED = "[The command was cancelled.]"


def content_of(stdout: str, stderr: str, note: str = "") -> str:
    """Standard output, standard error under a heading of its own, and a note on a line of its own."""
    content = stdout
    for part in ("[stderr]\n" + stderr if stderr else "", note):
        if part:
            content += ("" if not content or content.endswith("\n") else "\n") + part
    return content
