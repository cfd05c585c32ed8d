"""Where in a container something of a skill's own may be mounted: nowhere that is the pod's, or the system's."""

from __future__ import annotations

import posixpath

TAKEN = (
    "/ipc",
    "/workspace",
    "/tmp",
    "/skills",
    "/memory",
    "/opt/sympozium",
    "/proc",
    "/sys",
    "/dev",
    "/var/run/secrets",
    "/run/secrets",
)
"""What such a mount may not cover, lie in, or lie above."""


def is_free(path: str) -> bool:
    """Whether a mount at `path`, however it is written, is absolute and touches none of these."""
    plain = posixpath.normpath(f"/{path.lstrip('/')}")  # of two slashes at the beginning it makes nothing
    if not path.startswith("/") or ":" in path or plain == "/":
        return False
    return not any(plain == place or plain.startswith(f"{place}/") or place.startswith(f"{plain}/") for place in TAKEN)
