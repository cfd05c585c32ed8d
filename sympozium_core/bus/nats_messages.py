"""Messages and acknowledgements of JetStream in the bus contract's form."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime

from nats.aio.msg import Msg
from nats.js import api

from sympozium_core.bus import subjects
from sympozium_core.bus.frames import STATUS
from sympozium_core.bus.nats_errors import api_error
from sympozium_core.contracts.bus import Ack, BusUnavailable, Message


def acknowledgement(subject: str, answer: Msg) -> Ack:
    """The answer of JetStream to an append: ``{"stream", "seq", "duplicate"}`` or ``{"error": {"code", "err_code", "description"}}``."""
    try:
        told = json.loads(answer.data)
        error = told.get("error")
        if error is None:
            return Ack(int(told["seq"]), bool(told.get("duplicate", False)))
        code, description = int(error.get("err_code", 0)), str(error.get("description", ""))
    except (ValueError, KeyError, TypeError, AttributeError) as broken:
        raise BusUnavailable(f"the acknowledgement of an append to {subject} cannot be read") from broken
    raise api_error(code, description, subject)


def wide(pattern: str) -> str:
    """The filter in the form that JetStream can compare with the stream's subjects: all four tokens."""
    return subjects.journal(*subjects.journal_filter(pattern))


def own_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Headers without the server's; what nats-py makes of the line of a status is not one."""
    dropped = "Description" if STATUS in (headers or {}) else ""
    return {name: value for name, value in (headers or {}).items() if not name.lower().startswith("nats-") and name != dropped}


def live_message(message: Msg) -> Message:
    """What the appender of a stored message waits on is nobody else's business."""
    reply = "" if subjects.is_stored(message.subject) else message.reply
    return Message(message.subject, bytes(message.data), own_headers(message.headers), reply=reply)


def stored_message(message: Msg) -> Message:
    metadata = message.metadata
    at = metadata.timestamp.timestamp()
    return Message(
        message.subject, bytes(message.data), own_headers(message.headers), sequence=metadata.sequence.stream, time=at
    )


def _seconds(at: datetime | str | None) -> float:
    if isinstance(at, str):
        at = datetime.fromisoformat(at[:26].rstrip("Z") + "+00:00")
    return at.timestamp() if at is not None else time.time()


def raw_message(raw: api.RawStreamMsg) -> Message:
    """A message that was read from the stream by itself."""
    return Message(
        str(raw.subject), raw.data or b"", own_headers(raw.headers), sequence=int(raw.seq or 0), time=_seconds(raw.time)
    )
