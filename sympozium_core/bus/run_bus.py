"""The bus of a run's bridge where the bus is NATS. The run's user has no right to JetStream: it makes framed calls and hears `.ctl`."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sympozium_core.backoff import Attempts
from sympozium_core.bus import subjects, validation
from sympozium_core.bus.appending import MAX_AT_ONCE, append_by_call
from sympozium_core.bus.nats_connection import REFUSED, NatsConnection
from sympozium_core.bus.nats_login import Login
from sympozium_core.bus.run_user import RunUser, RunUserBus
from sympozium_core.contracts.bus import Ack, BusDenied, BusUnavailable, Subscription
from sympozium_core.errors import Permanent

CONNECT_TIMEOUT = 10.0
"""Seconds; in them the server asks the control plane who this is."""
PATIENCE = 60.0
"""Seconds for which the server may refuse a pod: perhaps it has no run yet, or nobody is there who knows it. NATS does not say which."""
RETURN_TIMEOUT = 10.0
_HELLO_TIMEOUT = 1.0
_HELLOS = 5
_OWN_HEADERS = 1024
_POD = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class RunBus(RunUserBus):
    """What the run's user may not do raises `BusDenied`. When the connection is lost, everything under way raises `BusUnavailable`,
    subscriptions too; the next use waits for at most 10 s until it is there again. A pod that was revoked gets `BusDenied` at last."""

    def __init__(self, connection: NatsConnection, uid: str) -> None:
        self.run_uid = uid
        self.max_payload = connection.max_payload - validation.MAX_HEADERS - _OWN_HEADERS
        self._connection, self._user = connection, RunUser(uid)
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    @classmethod
    async def connect(
        cls, address: str, *, pod: str, token_file: Path, ca_file: Path | None = None, patience: float = PATIENCE
    ) -> RunBus:
        """`pod` is the pod's id and `token_file` holds the token that proves it. Returns when it is known which run the pod is for.

        Raises BusUnavailable when NATS or the control plane does not answer, BusDenied when the pod was refused for `patience` seconds,
        Permanent for a pod id, address or file that cannot be used.
        """
        if not _POD.fullmatch(pod):
            raise Permanent(f"{pod[:80]!r} is no pod id", hint="letters, digits, - and _")
        login = Login(address, token_file=token_file, ca_file=ca_file)
        connection = await _let_in(login, pod, patience)
        try:
            return cls(connection, await _hello(connection, pod))
        except BaseException:
            await connection.close()
            raise

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        expected_last: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Ack:
        self._user.check_append(subject)
        validation.check_headers(headers)
        validation.check_message_id(message_id)
        validation.check_payload(data, self.max_payload)
        async with self._room:
            await self._connection.returned(RETURN_TIMEOUT)
            return await append_by_call(
                self, self.run_uid, data, expected_last=expected_last, message_id=message_id, headers=headers
            )

    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        validation.check_not_stored(subject)
        if reply:
            validation.check_subject(reply)
        self._user.check_publish(subject, reply)
        validation.check_headers(headers)
        validation.check_payload(data, self.max_payload)
        await self._connection.returned(RETURN_TIMEOUT)
        await self._connection.publish(subject, data, reply=reply, headers=headers)

    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        validation.check_pattern(subject)
        self._user.check_subscribe(subject)
        await self._connection.returned(RETURN_TIMEOUT)
        return await self._connection.subscribe(subject, queue=queue, settled=not subjects.is_inbox(subject))

    async def close(self) -> None:
        await self._connection.close()


async def _let_in(login: Login, pod: str, patience: float) -> NatsConnection:
    give_up = time.monotonic() + patience
    attempts = Attempts(REFUSED)
    while True:
        try:
            return await NatsConnection.open(
                login,
                inbox_prefix=subjects.pod_inbox(pod),
                timeout=CONNECT_TIMEOUT,
                patience=patience,
                keep_subscriptions=False,
            )
        except BusDenied:
            pause = attempts.failed()
            if time.monotonic() + pause > give_up:
                raise
        await asyncio.sleep(pause)


async def _hello(connection: NatsConnection, pod: str) -> str:
    """Which run the pod is for: whoever let it in knows. It may take a moment until that process hears of us."""
    error = BusUnavailable(f"nobody says which run pod {pod} is for")
    for _ in range(_HELLOS):
        try:
            answer = await connection.request(subjects.hello(pod), b"", timeout=_HELLO_TIMEOUT)
        except BusUnavailable as unavailable:
            error = unavailable
            await asyncio.sleep(0.1)
            continue
        with suppress(ValueError, KeyError, TypeError):
            uid = json.loads(answer.data)["uid"]
            if _UID.fullmatch(uid):
                return str(uid)
        raise BusUnavailable("the answer to which run this is cannot be read")
    raise error
