"""Lets the bridges of runs onto NATS: answers its auth callout, tells a pod which run it is for, and ends a pod's connections.

Any number of processes do this together. Each answers some of the connections; each hears of every revocation before the connection ends,
so that the pod is not let in again by one whose cache is behind.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from sympozium_core.bus import jwt, subjects
from sympozium_core.bus.authorization import AuthRequest, BusUser, Issuer
from sympozium_core.bus.nats_connection import NatsConnection
from sympozium_core.bus.nats_login import MAX_TOKEN, Login
from sympozium_core.bus.nats_system import Connections
from sympozium_core.bus.nkeys import KeyPair
from sympozium_core.bus.users import AUTH, CONTROL_INBOX, REVOKED, SYSTEM_INBOX
from sympozium_core.contracts.bus import Bus, Message, Subscription
from sympozium_core.errors import SympoziumError
from sympozium_core.recent import Recent

__all__ = ["Authenticate", "BusUser", "Callout"]

_log = logging.getLogger(__name__)

Authenticate = Callable[[str], Awaitable[BusUser | None]]
"""From a bearer token that anybody may have sent to the user that it stands for; None refuses. What it raises refuses for now."""

_TOKEN = re.compile(r"[!-~]+")
QUEUE = "sympozium"
TIMEOUT = 1.5
"""Seconds for one answer: less than the server waits (`server_config`)."""
LOOK_AGAIN = 1.0
MAX_AT_ONCE = 256
MAX_REMEMBERED = 65_536


class Callout:
    """Made by `open`; answers until it is closed."""

    def __init__(
        self, system: NatsConnection, asked: NatsConnection, bus: Bus, issuer: Issuer, authenticate: Authenticate
    ) -> None:
        self._system, self._asked, self._bus, self._issuer, self._authenticate = system, asked, bus, issuer, authenticate
        self._connections = Connections(system, issuer.account)
        self._let_in: Recent[str] = Recent(MAX_REMEMBERED)
        """Pod id → UID of the run, as far as this process let them in."""
        self._revoked: Recent[bool] = Recent(MAX_REMEMBERED)
        self._answering = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: list[asyncio.Task[None]] = []
        self._subscriptions: list[Subscription] = []

    @classmethod
    async def open(cls, system: Login, control: Login, bus: Bus, key: KeyPair, authenticate: Authenticate) -> Callout:
        """`system` is the login of the system account's user, `control` the one with which `bus` was opened, `key` the account's or one of
        its signing keys. Servers ask in the system account, or, where NATS has an operator, in the account of `control`.

        Raises as `NatsConnection.open`.
        """
        issuer = Issuer(key, operated=control.account())
        own = asked = await NatsConnection.open(system, inbox_prefix=SYSTEM_INBOX)
        try:
            if issuer.operated:
                asked = await NatsConnection.open(control, inbox_prefix=CONTROL_INBOX)
        except BaseException:
            await own.close()
            raise
        callout = cls(own, asked, bus, issuer, authenticate)
        try:
            await callout._start()
        except BaseException:
            await callout.close()
            raise
        return callout

    async def revoke(self, pod: str) -> None:
        """Ends the pod's connections, and lets it in no more. Raises BusUnavailable."""
        self._forget(pod)
        await self._system.publish(REVOKED, pod.encode())
        await self._connections.disconnect(pod)

    async def close(self) -> None:
        for subscription in self._subscriptions:
            with suppress(SympoziumError):
                await subscription.close()
        tasks = [*self._listeners, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in {self._asked, self._system}:
            await connection.close()

    async def _start(self) -> None:
        revocations = await self._system.subscribe(REVOKED)
        hellos = await self._bus.subscribe(subjects.hello("*"))
        requests = await self._asked.subscribe(AUTH, queue=QUEUE)
        self._subscriptions += [requests, hellos, revocations]
        for subscription, take in (
            (revocations, self._take_revocation),
            (hellos, self._tell_run),
            (requests, self._take_request),
        ):
            self._listeners.append(asyncio.create_task(_each(subscription, take)))

    async def _take_revocation(self, message: Message) -> None:
        self._forget(message.data.decode("utf-8", "replace"))

    def _forget(self, pod: str) -> None:
        self._revoked.put(pod, True)
        if self._let_in.get(pod) is not None:
            self._let_in.drop(pod)
            self._start_task(self._look_again(pod))

    async def _look_again(self, pod: str) -> None:
        """An answer that was on its way when the revocation came may have let the pod in after whoever revoked it had looked."""
        await asyncio.sleep(LOOK_AGAIN)
        try:
            await self._connections.disconnect(pod)
        except SympoziumError as error:
            _log.warning("it is not certain that pod %s is off the bus: %s", pod, error)

    async def _tell_run(self, message: Message) -> None:
        """Who asks here is the pod: its user alone may publish there. Whoever let it in answers."""
        pod = message.subject.split(".")[2]
        uid = self._let_in.get(pod)
        if uid is not None and message.reply.startswith(f"{subjects.pod_inbox(pod)}."):
            await self._bus.publish(message.reply, json.dumps({"uid": uid}).encode())

    async def _take_request(self, message: Message) -> None:
        request = self._issuer.parse(message.data)
        if self._answering >= MAX_AT_ONCE:
            await self._asked.publish(message.reply, self._issuer.refuse(request, "too many at once"))
            return
        self._answering += 1
        self._start_task(self._answer(request, message.reply))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: AuthRequest, reply: str) -> None:
        try:
            await self._asked.publish(reply, await self._decide(request))
        except SympoziumError as error:
            _log.warning("a pod was not answered for: %s", error)
        finally:
            self._answering -= 1

    async def _decide(self, request: AuthRequest) -> bytes:
        if len(request.token) > MAX_TOKEN or not _TOKEN.fullmatch(request.token):
            return self._issuer.refuse(request, "no token")
        try:
            async with asyncio.timeout(TIMEOUT):
                user = await self._authenticate(request.token)
            if user is None or user.expires <= time.time() or self._revoked.get(user.pod):
                return self._issuer.refuse(request, "not a pod of a run that goes on")
            answer = self._issuer.grant(request, user)
        except Exception as error:  # whatever it is, the next one must be answered
            _log.warning("a pod was refused because it could not be found out who it is: %s", _kind(error))
            return self._issuer.refuse(request, "not known now")
        self._let_in.put(user.pod, user.uid)
        return answer


async def _each(subscription: Subscription, take: Callable[[Message], Awaitable[None]]) -> None:
    """One bad message does not end it."""
    try:
        async for message in subscription:
            try:
                await take(message)
            except jwt.BadToken as error:
                _log.warning("ignored a message on %s: %s", message.subject, error)
            except SympoziumError as error:
                _log.warning("not answered on %s: %s", message.subject, error)
            except Exception:
                _log.exception("not answered on %s", message.subject)
    except SympoziumError as error:
        _log.error("pods are not let onto the bus any more: %s", error)


def _kind(error: Exception) -> str:
    """Without what foreign errors say: a token may be in it."""
    return error.message if isinstance(error, SympoziumError) else type(error).__name__
