"""The control plane's side of `embedded.bus.server`: which pod belongs to which run, set by the test."""

from __future__ import annotations

import asyncio


class Assignments:
    """Pods with the token ``right``. One that is not assigned yet is a warm one: it waits. One assigned to None is refused."""

    def __init__(self) -> None:
        self.runs: dict[str, asyncio.Future[str | None]] = {}
        self.asked = asyncio.Event()
        """Somebody has shown a token."""

    def assign(self, pod: str, uid: str | None) -> None:
        self.runs.setdefault(pod, asyncio.get_running_loop().create_future()).set_result(uid)

    async def authenticate(self, token: str, pod: str) -> str | None:
        self.asked.set()
        if token != "right":
            return None
        return await asyncio.shield(self.runs.setdefault(pod, asyncio.get_running_loop().create_future()))
