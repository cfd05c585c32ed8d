"""How a run's user appends to `.pod` where the bus is NATS: by `.req.append`, which the gateway carries out.

It may not publish into the stream itself, because JetStream acknowledges to the reply subject that the publisher names: a run's user could
name another run's `.gw`, and the acknowledgement would be stored there and fence that run's gateway (tried on nats-server 2.15.1; a
permission for reply subjects does not exist).

The request is one line of JSON, ``{"expected": sequence or null, "id": message id, "headers": {…}}``, then the bytes. The answer is
``{"sequence", "duplicate"}``, or ``{"refused": Fenced | LimitReached | PayloadTooLarge, "message"}``.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from sympozium_core.bus import subjects
from sympozium_core.bus.calls import CallRequest, Server, call_once, serve
from sympozium_core.bus.serving import ServerLimits
from sympozium_core.contracts.bus import FRAME_BYTES, Ack, Bus, BusUnavailable, Fenced, LimitReached, PayloadTooLarge
from sympozium_core.errors import Permanent, Temporary

QUEUE = "gateway"
TIMEOUT = 8.0
"""Seconds for one append: more than JetStream may take to acknowledge."""
MAX_HEAD = 32 * 1024
MAX_ID = 200
MAX_AT_ONCE = 16
"""Appends of one run that are under way; the others wait for them."""
_LIMITS = ServerLimits(
    request_bytes=FRAME_BYTES + MAX_HEAD,
    subject_bytes=4 * MAX_AT_ONCE * FRAME_BYTES,
    total_bytes=1024 * FRAME_BYTES,
    subject_calls=4 * MAX_AT_ONCE,  # those of a connection that was lost may still be there
)
_REFUSALS = {kind.__name__: kind for kind in (Fenced, LimitReached, PayloadTooLarge)}


async def serve_appends(bus: Bus) -> Server:
    """Appends for runs until closed; any number of processes share the work."""

    async def handle(request: CallRequest) -> AsyncIterator[bytes]:
        yield json.dumps(await _append(bus, request)).encode()

    return await serve(bus, subjects.request("*", subjects.APPEND), handle, queue=QUEUE, limits=_LIMITS)


async def append_by_call(
    bus: Bus, uid: str, data: bytes, *, expected_last: int | None, message_id: str, headers: Mapping[str, str] | None
) -> Ack:
    """Appends to the `.pod` of the run, by way of a gateway. Raises as `Bus.append`."""
    head = {"expected": expected_last, "id": message_id, "headers": dict(headers or {})}
    request = json.dumps(head, separators=(",", ":")).encode() + b"\n" + data
    subject = subjects.request(uid, subjects.APPEND)
    try:
        told = json.loads(await call_once(bus, subject, request, deadline=time.time() + TIMEOUT, silence=TIMEOUT))
        if (refused := _REFUSALS.get(told.get("refused", ""))) is not None:
            raise refused(str(told["message"]))
        return Ack(int(told["sequence"]), told["duplicate"] is True)
    except Temporary as error:
        raise BusUnavailable(f"the append is not acknowledged: {error.message}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BusUnavailable("the acknowledgement of an append cannot be read") from error


async def _append(bus: Bus, request: CallRequest) -> dict[str, Any]:
    uid = subjects.uid_of(request.subject)
    expected, message_id, headers, data = _parsed(request.data)
    try:
        ack = await bus.append(
            subjects.journal(uid, subjects.POD),
            data,
            expected_last=expected,
            message_id=f"{uid}.{message_id}" if message_id else "",  # ids are the whole stream's, and a run has its own alone
            headers=headers,
        )
    except tuple(_REFUSALS.values()) as error:
        return {"refused": type(error).__name__, "message": error.message}
    return {"sequence": ack.sequence, "duplicate": ack.duplicate}


def _parsed(request: bytes) -> tuple[int | None, str, Mapping[str, str], bytes]:
    """Raises Permanent for what no run's bus would send."""
    head, found, data = request.partition(b"\n")
    if not found or len(head) > MAX_HEAD:
        raise Permanent("an append is a line of JSON and its bytes")
    try:
        told = json.loads(head)
        expected, message_id, headers = told["expected"], told["id"], told["headers"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Permanent("an append is {expected, id, headers} and its bytes") from error
    whole = expected is None or (isinstance(expected, int) and not isinstance(expected, bool) and 0 <= expected < 2**62)
    texts = isinstance(headers, dict) and all(isinstance(value, str) for value in headers.values())
    if not whole or not texts or not isinstance(message_id, str) or len(message_id) > MAX_ID:
        raise Permanent(f"an append is {{expected, id, headers}}, with an id of at most {MAX_ID} characters")
    return expected, message_id, headers, data
