"""Requests that end at once when the server refuses them or the connection is lost; nats-py would wait for the time-out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nats.aio.client import Client

from sympozium_core.bus.nats_errors import is_refusal, translated
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.errors import SympoziumError

_Answer = TypeVar("_Answer")

CONNECT, API = "connect", "$JS.API"
"""What those wait for who do not wait for the acknowledgement of an append to a subject."""


class Requests:
    """Those under way on one client, by subject."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def answer(self, subject: str, request: Coroutine[Any, Any, _Answer], what: str) -> _Answer:
        """The answer to the request. Raises the contract's errors; `what` says in them what was being done."""
        if subject != CONNECT and not self._client.is_connected:
            request.close()
            raise BusUnavailable("not connected to NATS now")
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(subject, set()).add(failed)
        answer = asyncio.ensure_future(request)
        try:
            await asyncio.wait((answer, failed), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                failed.result()
            with translated(what):
                return answer.result()
        finally:
            answer.cancel()
            failed.cancel()
            waiting = self._waiting[subject]
            waiting.discard(failed)
            if not waiting:
                del self._waiting[subject]

    def refused(self, error: Exception) -> None:
        """nats-py was told of an error, which names the subject, all in lower case."""
        message = str(error).lower()
        if is_refusal(error):
            _fail(self._waiting.get(CONNECT, set()), BusDenied("not authorized"))
        elif "permissions violation for publish" in message:
            for subject, waiting in self._waiting.items():
                if f'"{subject.lower()}"' in message or (subject == API and f'"{API.lower()}' in message):
                    _fail(waiting, BusDenied(f"this user may not use {subject}"))

    def lost(self) -> None:
        """The connection is gone, and with it every answer."""
        for subject, waiting in self._waiting.items():
            if subject != CONNECT:
                _fail(waiting, BusUnavailable(f"the connection to NATS was lost before the answer about {subject} came"))


def _fail(waiting: set[asyncio.Future[None]], error: SympoziumError) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(error)
            future.exception()
