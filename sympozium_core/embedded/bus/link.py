"""One connection of a bridge to the embedded bus: what is asked and listened for on it, and the task that reads it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

from sympozium_core.bus import frames
from sympozium_core.bus.mailbox import Mailbox
from sympozium_core.bus.run_user import RunUser
from sympozium_core.contracts.bus import BusDenied, BusUnavailable, Fenced, LimitReached, Message, PayloadTooLarge
from sympozium_core.embedded.bus import wire
from sympozium_core.errors import Permanent, SympoziumError, Temporary

_log = logging.getLogger(__name__)

ACK_TIMEOUT = 15.0
_KINDS: dict[str, type[SympoziumError]] = {
    kind.__name__: kind for kind in (Fenced, LimitReached, PayloadTooLarge, BusDenied, BusUnavailable)
}


class Link:
    """Lives until it is closed or lost; then everything that waits on it raises BusUnavailable."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: str, max_payload: int) -> None:
        self.writer, self.user, self.max_payload = writer, RunUser(uid), max_payload
        self.lost = False
        self.mailboxes: dict[int, Mailbox] = {}
        self._reader = reader
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._inboxes: dict[str, Mailbox] = {}
        self._inbox_sid = 0
        """Of the one subscription that serves all of them; 0 before the first."""
        self._next = 0
        self._task = asyncio.create_task(self._read())

    def number(self) -> int:
        self._next += 1
        return self._next

    async def send(self, header: dict[str, Any], data: bytes = b"") -> None:
        try:
            self.writer.write(wire.encode(header, data))
            await self.writer.drain()
        except (ConnectionError, RuntimeError) as error:
            self._lose()
            raise BusUnavailable("the connection to the bus is lost") from error

    async def ask(self, header: dict[str, Any], data: bytes = b"") -> dict[str, Any]:
        """Sends with an id and waits for the answer to it."""
        if self.lost:
            raise BusUnavailable("the connection to the bus is lost")
        request = self.number()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            await self.send({**header, "id": request}, data)
            async with asyncio.timeout(ACK_TIMEOUT):
                return await answer
        except TimeoutError:
            raise BusUnavailable(f"the bus has not answered for {ACK_TIMEOUT:g} s") from None
        finally:
            del self._answers[request]
            if answer.done() and not answer.cancelled():
                answer.exception()

    async def subscribe(self, subject: str, queue: str) -> Mailbox:
        sid = self.number()

        async def leave() -> None:
            if self.mailboxes.pop(sid, None) is not None:
                with suppress(BusUnavailable):
                    await self.send({"op": "unsubscribe", "sid": sid})

        mailbox = self.mailboxes[sid] = Mailbox(subject, on_close=leave)
        try:
            await self.ask({"op": "subscribe", "sid": sid, "subject": subject, "queue": queue})
        except BaseException:
            self.mailboxes.pop(sid, None)
            raise
        return mailbox

    def is_inbox(self, subject: str) -> bool:
        """Whether the subject is one inbox of this user's, and not open yet."""
        prefix, _, name = subject.rpartition(".")
        return prefix == self.user.inbox and name not in ("*", ">") and subject not in self._inboxes

    async def listen(self, inbox: str) -> Mailbox:
        """There is an inbox a call, and one subscription for all of them, which is not waited for: nobody knows an inbox before it is sent on
        this connection, after this."""
        if self.lost:
            raise BusUnavailable("the connection to the bus is lost")

        async def leave() -> None:
            self._inboxes.pop(inbox, None)

        mailbox = self._inboxes[inbox] = Mailbox(inbox, on_close=leave)
        if not self._inbox_sid:
            self._inbox_sid = self.number()
            await self.send(
                {"op": "subscribe", "id": 0, "sid": self._inbox_sid, "subject": f"{self.user.inbox}.*", "queue": ""}
            )
        return mailbox

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._lose()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                header, data = await wire.read_frame(self._reader, self.max_payload)
                self._take(header, data)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except wire.WireError as error:
            _log.error("the bus does not speak the protocol: %s", error)
        finally:
            self._lose()

    def _take(self, header: dict[str, Any], data: bytes) -> None:
        if header["op"] == "message":
            sid, subject, reply = wire.whole(header, "sid"), wire.text(header, "subject"), wire.text(header, "reply")
            mailbox = self._inboxes.get(subject) if sid == self._inbox_sid else self.mailboxes.get(sid)
            if mailbox is not None:
                mailbox.put(Message(subject, data, wire.texts(header, "headers"), reply=reply))
            elif sid == self._inbox_sid and reply:
                self._nobody_listens(reply)
            return
        answer = self._answers.get(header.get("id", 0))
        if answer is not None and not answer.done():
            if header["op"] == "error":
                answer.set_exception(error_of(header))
            else:
                answer.set_result(header)
        elif header["op"] == "error":
            _log.warning("the bus refused a message: %s", header.get("message"))

    def _nobody_listens(self, reply: str) -> None:
        """The bus says so by itself of a subject without a subscription; of a closed inbox only this side knows."""
        with suppress(BusDenied):
            self.user.check_publish(reply, "")
            headers = {frames.STATUS: frames.NO_RESPONDERS}
            self.writer.write(wire.encode({"op": "publish", "subject": reply, "headers": headers}))

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        self.writer.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(BusUnavailable("the connection to the bus was lost before it answered"))
        for mailbox in (*self.mailboxes.values(), *self._inboxes.values()):
            mailbox.end(BusUnavailable("the connection to the bus was lost"))
        self.mailboxes.clear()
        self._inboxes.clear()


def error_of(header: dict[str, Any]) -> SympoziumError:
    message, hint = str(header.get("message", "the bus gave no reason")), str(header.get("hint") or "")
    kind = _KINDS.get(str(header.get("kind")), Temporary if header.get("temporary") is True else Permanent)
    return kind(message, hint=hint)
