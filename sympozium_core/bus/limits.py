"""The bounds that both implementations share."""

from __future__ import annotations

MAX_STREAM_BYTES = 4 * 1024**3
MAX_ARTIFACT_BYTES = 4 * 1024**3
DUPLICATE_WINDOW = 120.0
"""Seconds; what JetStream takes by default."""
