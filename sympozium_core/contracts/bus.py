"""The event bus: durable journals, durable consumers, and framed requests; a port with two implementations and one contract suite.

Implementations: `sympozium_core.bus.jetstream` (NATS JetStream), with `sympozium_core.bus.run_bus` for the bridge, and
`sympozium_core.embedded.bus` (SQLite in the server's process, and a client of it over a Unix socket for the bridge). Subjects are NATS subjects: tokens joined by dots, ``*`` one token, ``>`` the rest.
Framed calls (`sympozium_core.bus.calls`) are written once, on `publish` and `subscribe`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from sympozium_core.errors import Permanent, Temporary

FRAME_BYTES = 512 * 1024
"""A message on the bus is at most min(server's max_payload, this); what is longer is cut into frames."""


@dataclass(frozen=True)
class Message:
    subject: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    reply: str = ""
    """Subject on which the sender waits; empty for none. Only on messages from `subscribe`."""
    sequence: int = 0
    """Position in the stream, the order of all stored messages; 0 for a message that is not stored."""
    time: float = 0.0
    """When the bus stored it, seconds since the epoch."""


@dataclass(frozen=True)
class Ack:
    """The bus has stored the message: after this, no kill of any process loses it."""

    sequence: int
    duplicate: bool = False


class Fenced(Permanent):
    """Somebody else has appended to the subject since: the appender is not the one any more (an old pod, a late retry)."""


class PayloadTooLarge(Permanent):
    """More than `max_payload`; cut it into frames."""


class LimitReached(Permanent):
    """The stream's bounds are full; nothing was stored."""


class BusDenied(Permanent):
    """This user may not use that subject."""


class BusUnavailable(Temporary):
    """Not connected, or no acknowledgement in time: whether the message was stored is unknown, so retry with the same message id."""


class NoResponders(Temporary):
    """Nobody serves that subject now."""


class Delivery(ABC):
    """A stored message in the hands of a durable consumer."""

    message: Message
    deliveries: int
    """1 for the first time."""

    @abstractmethod
    async def ack(self) -> None:
        """Done: not delivered again to this consumer. Returns when the bus knows; a bus that is itself killed may forget the newest ones."""

    @abstractmethod
    async def nak(self, after: float = 0.0) -> None:
        """Not now: again after so many seconds."""


class Consumer(ABC):
    """A durable consumer: what was not acknowledged comes again, after `ack_wait` or to whoever opens the name next."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[Delivery]: ...

    @abstractmethod
    async def close(self) -> None:
        """Leaves the durable state in place."""


class Subscription(ABC):
    """Messages as they are published, at most once each."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[Message]: ...

    @abstractmethod
    async def close(self) -> None: ...


class Bus(ABC):
    max_payload: int

    @abstractmethod
    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        expected_last: int | None = None,
        message_id: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Ack:
        """Stores on a journal subject and returns when it is durable.

        `expected_last` is the sequence of the last message on this very subject (0: none yet); another raises `Fenced`.
        The same `message_id` within the duplicate window (120 s) is stored once and acknowledged as a duplicate.
        Raises Fenced, PayloadTooLarge, LimitReached, BusDenied, BusUnavailable.
        """

    @abstractmethod
    async def last(self, subject: str) -> Message | None:
        """The newest stored message on exactly this subject."""

    @abstractmethod
    def read(self, subject: str, *, after: int = 0) -> AsyncIterator[Message]:
        """Stored messages on a subject or filter with a sequence above `after`, oldest first, up to what is stored now."""

    @abstractmethod
    def follow(self, subject: str, *, after: int = 0) -> AsyncIterator[Message]:
        """As `read`, then goes on with what is stored next until closed."""

    @abstractmethod
    async def consumer(
        self, name: str, subject: str, *, ack_wait: float = 30.0, max_pending: int = 256, ahead: int = 1
    ) -> Consumer:
        """Opens the durable consumer of that name, made at its first opening from the beginning of the stream.

        Up to `ahead` messages may wait here to be taken, while their `ack_wait` runs: more than one only for who is quick with each.
        """

    @abstractmethod
    async def publish(self, subject: str, data: bytes, *, reply: str = "", headers: Mapping[str, str] | None = None) -> None:
        """At most once, to those who listen now. With `reply` and nobody listening, the reply subject gets an empty message with ``Status: 503``.

        A journal subject is refused with BusDenied: it is appended to.
        """

    @abstractmethod
    async def subscribe(self, subject: str, *, queue: str = "") -> Subscription:
        """Listens; of several with the same `queue`, each message goes to one. Appends are heard too, with sequence 0."""

    @abstractmethod
    async def put_object(self, name: str, data: AsyncIterator[bytes]) -> int:
        """Stores an artifact under a new or replaced name; returns its size in bytes when it is durable."""

    @abstractmethod
    def get_object(self, name: str) -> AsyncIterator[bytes]:
        """The artifact in chunks; raises KeyError when there is none."""

    @abstractmethod
    async def delete_object(self, name: str) -> None:
        """Deletes the artifact; one that is not there is no error."""

    @abstractmethod
    async def purge(self, subject: str) -> None:
        """Removes every stored message on the subject or filter (retention; control plane only)."""

    @abstractmethod
    async def close(self) -> None: ...
