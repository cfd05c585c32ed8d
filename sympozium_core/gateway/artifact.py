"""Keeps a run's artifacts in the object store, under ``run/<uid>/<name>``.

A call's request is one line of JSON, ``{"name", "size"}``, and the bytes; the reply is ``{"name", "size"}`` once they are durable.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from sympozium_core.contracts.bus import Bus
from sympozium_core.errors import Permanent

MAX_ARTIFACT = 32 * 1024 * 1024
PIECE = 256 * 1024
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}\Z")


def object_name(uid: str, name: str) -> str:
    return f"run/{uid}/{name}"


async def keep(bus: Bus, uid: str, request: bytes) -> dict[str, Any]:
    """Stores one artifact, replacing one of the same name. Raises Permanent for a bad request, and what the store raises."""
    head, _, data = request.partition(b"\n")
    try:
        told = json.loads(head)
        name, size = str(told["name"]), int(told["size"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Permanent("an artifact is a line {name, size} and its bytes") from error
    if not _NAME.match(name):
        raise Permanent(f"{name[:80]!r} is no name of an artifact", hint="letters, digits, '_', '-' and '.', at most 200")
    if size != len(data) or size > MAX_ARTIFACT:
        raise Permanent(f"artifact {name[:80]!r}: {len(data)} bytes where {size} were announced and {MAX_ARTIFACT} are allowed")
    return {"name": name, "size": await bus.put_object(object_name(uid, name), _pieces(data))}


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
