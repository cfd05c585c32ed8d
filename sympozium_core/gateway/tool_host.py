"""Where an MCP server is and what it is asked with, for a run or for nobody's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from sympozium_core.address_guard import Guard


@dataclass(frozen=True)
class Place:
    """Where a server is."""

    url: str
    """Whole, with its query."""
    guard: Guard
    socket: str = ""
    """Path of a Unix socket in the place of an address: of what runs beside the control plane of one machine."""


@dataclass(frozen=True)
class ToolHost:
    """A server and what it is asked with."""

    name: str
    place: Place
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class RunToolHost:
    """A server of a run; `attempt` and `deadline` as in `target.ModelTarget`."""

    host: ToolHost
    attempt: int
    deadline: float


FindHost = Callable[[str, int, str], Awaitable[RunToolHost]]
