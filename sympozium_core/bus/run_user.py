"""The user of one run on the bus: what it may do, checked by the bus and, for an early and clear error, here. Rules: `bus.subjects`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import NoReturn

from sympozium_core.bus import subjects
from sympozium_core.contracts.bus import Bus, BusDenied, Consumer, Message


class RunUser:
    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.inbox = subjects.run_inbox(uid)
        self._publish = subjects.run_user_may_publish(uid)
        self._subscribe = subjects.run_user_may_subscribe(uid)

    def check_publish(self, subject: str, reply: str) -> None:
        if not any(subjects.matches(allowed, subject) for allowed in self._publish):
            raise BusDenied(f"the user of run {self.uid} may not publish to {subject[:200]}")
        if reply and not subjects.may_reply(subject, reply):
            raise BusDenied(f"the user of run {self.uid} may take replies in its own inbox only, not at {reply[:200]}")

    def check_append(self, subject: str) -> None:
        if subject != subjects.journal(self.uid, subjects.POD):
            raise BusDenied(f"the user of run {self.uid} may not append to {subject[:200]}")

    def check_subscribe(self, pattern: str) -> None:
        if not any(subjects.covers(allowed, pattern) for allowed in self._subscribe):
            raise BusDenied(f"the user of run {self.uid} may not subscribe to {pattern[:200]}")


class RunUserBus(Bus):
    """A bus as a run's own user sees it: it appends, publishes and listens within its run, and the rest raises `BusDenied`."""

    run_uid: str
    """The run that the pod is assigned to."""

    async def last(self, subject: str) -> Message | None:
        self._deny("read stored messages")

    async def read(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        self._deny("read stored messages")
        yield

    async def follow(self, subject: str, *, after: int = 0) -> AsyncGenerator[Message, None]:
        self._deny("read stored messages")
        yield

    async def consumer(
        self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256, ahead: int = 1
    ) -> Consumer:
        self._deny("open a consumer")

    async def put_object(self, name: str, data: AsyncIterator[bytes]) -> int:
        self._deny("store artifacts; it calls .req.artifact")

    async def get_object(self, name: str) -> AsyncGenerator[bytes, None]:
        self._deny("read artifacts")
        yield

    async def delete_object(self, name: str) -> None:
        self._deny("delete artifacts")

    async def purge(self, subject: str) -> None:
        self._deny("purge")

    def _deny(self, what: str) -> NoReturn:
        raise BusDenied(f"the user of run {self.run_uid} may not {what}")
