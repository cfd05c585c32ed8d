"""A recorded answer as chunks, at the pace that the cassette asks for."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator
from typing import Any

from sympozium_core.contracts.provider import Chunk
from sympozium_provider_replay.cassette import RecordedAnswer

PIECE = 80
"""Characters of a piece that is not paced."""


async def play(answer: RecordedAnswer, *, number: int, model: str, pause: float, timeout: float) -> AsyncGenerator[Chunk, None]:
    """Chunks as a live model would send them. The pauses together never take more than half of `timeout`."""
    frame = {
        "id": f"chatcmpl-replay-{number + 1}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }
    pieces = _pieces(answer.text, paced=pause > 0)
    pause = min(pause, timeout / 2 / max(len(pieces), 1))
    yield _chunk(frame, {"role": "assistant", "content": "", **answer.extra})
    for piece in pieces:
        if pause > 0:
            await asyncio.sleep(pause)
        yield _chunk(frame, {"content": piece})
    for position, call in enumerate(answer.tool_calls):
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments, ensure_ascii=False)
        function = {"name": call.name, "arguments": arguments}
        yield _chunk(frame, {"tool_calls": [{"index": position, "id": call.id, "type": "function", "function": function}]})
    yield _chunk(frame, {}, answer.finish_reason)
    if answer.prompt_tokens is not None and answer.completion_tokens is not None:
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }
        yield {**frame, "choices": [], "usage": usage}


def _pieces(text: str, *, paced: bool) -> list[str]:
    if paced:
        return re.findall(r"\S+\s*|\s+", text)
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _chunk(frame: dict[str, Any], delta: dict[str, Any], finish_reason: str | None = None) -> Chunk:
    return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
