"""Who runs the servers that an MCPServer says how to run: Deployments on a cluster, processes on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sympozium_core.reconcile.cache import View


@dataclass(frozen=True)
class Deployed:
    """The condition ``Deployed`` of a server, and where it is then."""

    ready: bool
    reason: str
    message: str
    url: str = ""


class Host(Protocol):
    async def ensure(self, server: View) -> Deployed:
        """Has it run as it says, and not if it is suspended. `server` is in normal form. Raises SympoziumError."""

    async def forget(self, namespace: str, name: str) -> None:
        """The object is gone: nothing of it stays."""
