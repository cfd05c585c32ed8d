"""The headers of framed messages, and how long a frame may be. `docs/architecture.md`, "Framed calls" and "The journal"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sympozium_core.contracts.bus import FRAME_BYTES, Bus

CALL = "Sympozium-Call"  # id of the call, chosen by the caller; on every frame of both directions
ENTRY = "Sympozium-Entry"  # id of a journal entry that is longer than one frame
FIRST = (
    "Sympozium-First"  # sequence of the entry's first frame, on every later one: a reader that began in the middle goes back
)
INDEX = "Sympozium-Index"  # from 0, without gaps
LAST = "Sympozium-Last"  # "1" on the last frame
MORE = "Sympozium-More"  # "1": the item goes on in the next frame
ERROR = "Sympozium-Error"  # "1" on a last frame that carries {"reason", "message", …}
HEARTBEAT = "Sympozium-Heartbeat"  # "1": alive; no index, no data
CREDIT = "Sympozium-Credit"  # so many more frames may come
CANCEL = "Sympozium-Cancel"  # "1" from the caller: nobody waits any more
TIMEOUT = "Sympozium-Timeout"  # seconds that the caller will still wait; relative, because two clocks differ

STATUS = "Status"
NO_RESPONDERS = "503"
"""What the bus itself answers on the reply subject of a message that nobody heard: an empty message with ``Status: 503``, as NATS does."""

HEADER_ROOM = 2048
"""NATS counts headers as payload; this much is kept for them."""

MAX_ITEM_BYTES = 64 * 1024 * 1024
"""The longest request, reply item, or journal entry."""


def frame_bytes(bus: Bus) -> int:
    """How many bytes of data one frame holds on this bus."""
    return max(1024, min(bus.max_payload - HEADER_ROOM, FRAME_BYTES))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """Pieces of at most `size` bytes; one empty piece for no data."""
    yield data[:size]
    for start in range(size, len(data), size):
        yield data[start : start + size]


def number(headers: Mapping[str, str], name: str) -> int:
    """A header that is a whole number of at most 15 digits; -1 when it is missing or anything else."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else -1


def nobody_listens(headers: Mapping[str, str], data: bytes) -> bool:
    return not data and headers.get(STATUS) == NO_RESPONDERS
