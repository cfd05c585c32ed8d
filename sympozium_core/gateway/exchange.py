"""`.req.exchange`: one HTTP exchange of a run with one of its MCP servers. The run's pod says what is asked, the plan where and with what.

A request is one line of JSON, ``{"attempt", "server", "method", "path", "headers"}``, and the body. The reply's first item is JSON,
``{"status", "headers"}``; what follows is the body as it comes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from sympozium_core.errors import Permanent, Temporary
from sympozium_core.gateway.tool_host import FindHost
from sympozium_core.gateway.tool_http import ToolConnections

AT_ONCE_OF_ONE = 24
"""Exchanges of one run, streams that stay open included."""
MAX_HEADERS = 64
METHODS = ("GET", "POST", "DELETE")


@dataclass(frozen=True)
class _Asked:
    attempt: int
    server: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Exchanges:
    """One a gateway; `answer` is its handler of calls."""

    def __init__(self, find: FindHost, connections: ToolConnections) -> None:
        self._find, self._connections = find, connections
        self._of_run: Counter[str] = Counter()

    async def answer(self, uid: str, data: bytes, deadline: float) -> AsyncIterator[bytes]:
        """Raises Permanent for what is no exchange, or of an attempt that is over; Temporary when too many are under way."""
        asked = _read(data)
        target = await self._find(uid, asked.attempt, asked.server)
        if asked.attempt != target.attempt:
            raise Permanent(
                f"attempt {asked.attempt} of the run is over; attempt {target.attempt} goes on", reason="InfrastructureError"
            )
        if self._of_run[uid] >= AT_ONCE_OF_ONE:
            raise Temporary(f"{AT_ONCE_OF_ONE} exchanges with MCP servers are under way for this run already", after=1.0)
        self._of_run[uid] += 1
        try:
            async with asyncio.timeout(max(0.0, min(deadline, target.deadline) - time.time())):
                exchange = self._connections.exchange(target.host, asked.method, asked.path, asked.headers, asked.body)
                async with exchange as answer:
                    yield json.dumps({"status": answer.status, "headers": dict(answer.headers)}).encode()
                    async for piece in answer.pieces():
                        yield piece
        except TimeoutError:
            raise Temporary(f"MCP server {asked.server} did not answer in time", reason="Timeout") from None
        finally:
            self._of_run[uid] -= 1
            if not self._of_run[uid]:
                del self._of_run[uid]


def _read(data: bytes) -> _Asked:
    line, _, body = data.partition(b"\n")
    try:
        told = json.loads(line)
        asked = _Asked(
            int(told["attempt"]), str(told["server"]), str(told["method"]), str(told["path"]), dict(told["headers"]), body
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Permanent("an exchange is {attempt, server, method, path, headers}", reason="ToolError") from error
    fits = len(asked.headers) <= MAX_HEADERS and all(isinstance(value, str) for value in asked.headers.values())
    if asked.method not in METHODS or not fits:
        raise Permanent("an exchange has a method of MCP and few headers", reason="ToolError")
    return asked
