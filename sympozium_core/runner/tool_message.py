"""How a tool's result is told to the model: the same result gives the same text, so times and this machine's paths are not in it."""

from __future__ import annotations

from sympozium_core.ipc.protocol import ToolResult

_LEAD = {"error": "Error: ", "denied": "Denied: ", "timeout": "Timed out: ", "unknown": "Outcome unknown: "}


def tool_message(result: ToolResult, limit: int) -> dict[str, str]:
    """The message that answers the call of the same id; its content is cut to about `limit` bytes."""
    notes = []
    if result.exit_code:
        notes.append(f"[Exit code {result.exit_code}.]")
    if result.truncated:
        notes.append("[The tool cut its own output.]")
    if result.artifacts:
        notes.append(f"[Kept whole as artifact: {', '.join(result.artifacts)}.]")
    text = cut(_LEAD.get(result.status, "") + result.content, limit)
    if not text.strip():
        text = "[No output.]"
    return {
        "role": "tool",
        "tool_call_id": result.id,
        "content": "\n".join([text.removesuffix("\n") if notes else text, *notes]),
    }


def cut(text: str, limit: int) -> str:
    """Head and tail of a text that has more than `limit` bytes of UTF-8, with a line between them that says how much is missing.

    Two thirds are head: what a command says first is what it does, what it says last is how it ended.
    """
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    head, tail = limit * 2 // 3, limit - limit * 2 // 3
    missing = len(data) - head - tail
    first = data[:head].decode("utf-8", "ignore")
    last = data[len(data) - tail :].decode("utf-8", "ignore")
    return f"{first}\n[… {missing} bytes are left out here …]\n{last}"
