"""One connection to NATS by nats-py: errors in the words of the bus contract, bounded mailboxes, and nobody who waits for what is lost.

It comes back by itself after a loss. `patience` says for how long the server may refuse the user then: a pod that was revoked is refused
for good, and a pod whose control plane is just being restarted is refused too, because nobody answers for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.client import Server as Address
from nats.aio.msg import Msg

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.bus.nats_errors import is_refusal, translated
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.nats_messages import live_message
from sympozium_core.bus.nats_pull import settle
from sympozium_core.bus.nats_requests import CONNECT, Requests
from sympozium_core.contracts.bus import BusDenied, BusUnavailable
from sympozium_core.errors import SympoziumError

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0
MAX_REFUSED = 1024
_NOT_SUBSCRIBED = re.compile(r'violation for subscription to "([^"]+)"')
RETURN = BackOff(first=0.05, longest=1.0)
REFUSED = BackOff(first=0.2, longest=5.0)


class _HungUp(BusUnavailable):
    """The server took the connection and closed it without a word."""


class NatsConnection:
    """Made by `open`."""

    def __init__(self, login: Login, patience: float | None, keep_subscriptions: bool) -> None:
        self.client = Client()
        self.requests = Requests(self.client)
        self.on_return: Callable[[], None] = lambda: None
        """Called when the connection is there again."""
        self._login, self._patience, self._keep = login, patience, keep_subscriptions
        self._opened = False
        self._mailboxes: dict[Mailbox, Any] = {}
        self._refused: set[str] = set()
        """Subjects, in small letters, that the server did not let this user subscribe."""
        self._attempts = Attempts(RETURN)
        self._refused_since = 0.0
        self._end: SympoziumError | None = None
        self._closing: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    @classmethod
    async def open(
        cls,
        login: Login,
        *,
        inbox_prefix: str,
        timeout: float = CONNECT_TIMEOUT,
        patience: float | None = None,
        keep_subscriptions: bool = True,
    ) -> NatsConnection:
        """`inbox_prefix`: under it this user may subscribe. `patience` in seconds; None for ever. Without `keep_subscriptions`, who
        listens gets BusUnavailable when the connection is lost, and not silence about what was said meanwhile.

        Raises BusUnavailable when the server does not answer within `timeout` seconds, BusDenied when it does not take the user, Permanent
        for a file of the login that cannot be used.
        """
        login.check()
        until, attempts = time.monotonic() + timeout, Attempts(RETURN)
        hung_up: _HungUp | None = None
        while True:
            connection = cls(login, patience, keep_subscriptions)
            try:
                await connection._open(inbox_prefix, max(0.0, until - time.monotonic()))
                break
            except _HungUp as error:
                # Its word of refusal is lost when it closes while something that we sent is still unread.
                hung_up, pause = error, attempts.failed()
                if time.monotonic() + pause >= until:
                    raise
                await asyncio.sleep(pause)
            except BusUnavailable as error:
                if hung_up is None:
                    raise
                raise hung_up from error  # that the time is over says less
        connection._opened = True
        connection._connected.set()
        return connection

    @property
    def max_payload(self) -> int:
        return int(self.client.max_payload)

    @property
    def clustered(self) -> bool:
        """Whether there are servers beside the one that this is connected to."""
        return bool(self.client._server_info.get("cluster"))

    def problem(self) -> str:
        """Why nothing can be said on it now, for whoever watches over the process; empty when all is well."""
        try:
            self.check()
        except SympoziumError as error:
            return f"NATS at {self._login.host}: {error.message}"
        return ""

    def check(self) -> None:
        """Raises BusUnavailable when there is no connection now, or what ended it for good."""
        if self._end is not None:
            raise type(self._end)(self._end.message)
        if not self.client.is_connected:
            raise BusUnavailable("not connected to NATS now")

    async def returned(self, timeout: float) -> None:
        """Waits for a connection. Raises as `check`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        self.check()

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.check()
        with translated(f"publishing to {subject}"):
            await self.client.publish(subject, data, reply=reply, headers=dict(headers) if headers else None)

    async def request(self, subject: str, data: bytes, *, timeout: float, headers: Mapping[str, str] | None = None) -> Msg:
        """One message there, one back, on an inbox of this user."""
        self.check()
        asking = self.client.request(subject, data, timeout=timeout, headers=dict(headers) if headers else None)
        return await self.requests.answer(subject, asking, f"asking {subject}")

    async def subscribe(self, subject: str, *, queue: str = "", settled: bool = True) -> Mailbox:
        """With `settled` it returns when the server knows, and raises BusDenied when it refuses; without, it is for a subject that others
        learn of by what is sent after this."""
        self.check()
        self._refused.discard(subject.lower())

        async def leave() -> None:
            if (known := self._mailboxes.pop(mailbox, None)) is not None:
                with suppress(nats.errors.Error):
                    await known.unsubscribe()

        async def heard(message: Msg) -> None:
            mailbox.put(live_message(message))

        mailbox = Mailbox(subject, on_close=leave)
        with translated(f"subscribing to {subject}"):
            self._mailboxes[mailbox] = await self.client.subscribe(subject, queue=queue, cb=heard)
            if settled:
                await settle(self.client)
        if settled and subject.lower() in self._refused:
            await mailbox.close()
            raise BusDenied(f"this user may not subscribe to {subject}")
        return mailbox

    async def close(self) -> None:
        self._end = self._end or BusUnavailable("this client of the bus is closed")
        if self._closing is not None:
            await asyncio.gather(self._closing, return_exceptions=True)
        await self._close_client()
        self._let_go(None)

    async def _close_client(self) -> None:
        task = asyncio.current_task()
        try:
            await self.client.close()
        except (nats.errors.Error, OSError):
            pass
        except asyncio.CancelledError:
            # nats-py cancels its own task that waits for the same socket's end, and with it the future that both wait for.
            if task is not None and task.cancelling():
                raise

    async def _open(self, inbox_prefix: str, timeout: float) -> None:
        connecting = self.client.connect(
            self._login.url,
            name="sympozium",
            inbox_prefix=inbox_prefix,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            connect_timeout=timeout,  # type: ignore[arg-type]  # nats-py only waits for it
            reconnect_time_wait=0.1,  # type: ignore[arg-type]
            reconnect_to_server_handler=self._choose,
            max_reconnect_attempts=-1,
            ping_interval=10,
            **self._login.options(self.client),
        )
        try:
            async with asyncio.timeout(timeout):
                await self.requests.answer(CONNECT, connecting, "connecting")
            if not self.client.is_connected:
                raise _HungUp(f"NATS at {self._login.host} cannot be reached: it closed the connection without a word")
        except BaseException as error:
            said = self.client.last_error
            await self._close_client()
            if isinstance(error, BusDenied):
                raise BusDenied(f"NATS at {self._login.host} does not take this user") from error
            if isinstance(error, _HungUp):
                raise
            if isinstance(error, (BusUnavailable, OSError, TimeoutError)):
                because = str(error) or str(said or "") or "no answer in time"
                raise BusUnavailable(f"NATS at {self._login.host} cannot be reached: {because}") from error
            raise

    def _choose(self, addresses: list[Address], _: dict[str, Any]) -> tuple[Address, float]:
        """Where to try next, and how many seconds to wait before."""
        if (tls := self.client.options.get("tls")) is not None:
            self._login.renew(tls)
        return min(addresses, key=lambda address: address.reconnects), self._attempts.failed()

    async def _on_error(self, error: Exception) -> None:
        """nats-py prints to the terminal unless it is given this."""
        _log.debug("NATS: %s", error)
        self.requests.refused(error)
        if (found := _NOT_SUBSCRIBED.search(str(error).lower())) is not None and len(self._refused) < MAX_REFUSED:
            self._refused.add(found[1])
        if not self._opened or not is_refusal(error):
            return
        if not self._refused_since:
            self._refused_since, self._attempts = time.monotonic(), Attempts(REFUSED)
        if self._patience is not None and time.monotonic() - self._refused_since > self._patience and self._end is None:
            self._end = BusDenied(f"NATS at {self._login.host} does not take this user any more")
            self._closing = asyncio.create_task(self.client.close())

    async def _on_disconnected(self) -> None:
        self._connected.clear()
        if self._opened and self._end is None:
            _log.warning("the connection to NATS at %s was lost", self._login.host)
        self.requests.lost()
        if not self._keep:
            mailboxes, self._mailboxes = self._mailboxes, {}
            for mailbox, subscription in mailboxes.items():
                mailbox.end(BusUnavailable("the connection to NATS was lost"))
                with suppress(nats.errors.Error):
                    await subscription.unsubscribe()

    async def _on_reconnected(self) -> None:
        self._attempts, self._refused_since = Attempts(RETURN), 0.0
        self._connected.set()
        _log.info("connected to NATS at %s again", self._login.host)
        self.on_return()

    async def _on_closed(self) -> None:
        if self._end is None:
            over = "expired" in str(self.client.last_error).lower()
            self._end = BusDenied("the user's time on the bus is over") if over else BusUnavailable("the connection is closed")
        self._let_go(self._end)

    def _let_go(self, error: SympoziumError | None) -> None:
        self._connected.set()
        for mailbox in self._mailboxes:
            mailbox.end(error)
        self._mailboxes.clear()
