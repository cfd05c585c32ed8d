"""Bounds of the embedded bus; the defaults are those of the stream that `bus.jetstream` makes."""

from __future__ import annotations

from dataclasses import dataclass

from sympozium_core.bus.limits import DUPLICATE_WINDOW, MAX_ARTIFACT_BYTES, MAX_STREAM_BYTES


@dataclass(frozen=True)
class BusLimits:
    max_payload: int = 1024 * 1024
    """Bytes of one message, as NATS has it by default."""
    max_bytes: int = MAX_STREAM_BYTES
    """Bytes of all stored messages; an append beyond raises LimitReached."""
    max_artifact_bytes: int = MAX_ARTIFACT_BYTES
    """Bytes of all artifacts."""
    duplicate_window: float = DUPLICATE_WINDOW
    """Seconds for which a message id is remembered."""
