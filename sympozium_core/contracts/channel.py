"""A channel: the one place that knows a chat vendor's wire format and may hold its tokens. Runs in a channel host, one process for each bound channel.

Messages come in by one of two ways: over a connection that the channel makes itself (`listen`: long polling, a socket), or by calls from the vendor
(`webhook`). Either way a message is handed to `ChannelContext.receive`, which returns only when it is kept for good, and only then the vendor is told
that it has arrived: what was acknowledged is never lost, and what was not comes again under the same id, by which the host drops doubles.

A text that is longer than the vendor takes is cut by `channel_messages.pieces`, for all channels alike; each piece is one `send`. What a channel cannot
do (threads, reactions, Markdown) it declares, and that is refused and never left out in silence.

What comes from outside is hostile: bodies are read up to a bound, and what has not the vendor's shape is skipped. What the bot itself or another bot
says is not handed on, because two agents that answer each other never end.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, final

from sympozium_core.backoff import Attempts, BackOff
from sympozium_core.contracts.channel_messages import (
    Abilities,
    ChannelError,
    Failure,
    InboundMessage,
    OutboundMessage,
    Reaction,
    WebAnswer,
    WebRequest,
)
from sympozium_core.errors import SympoziumError

if TYPE_CHECKING:
    import aiohttp

BACK_OFF = BackOff(first=0.5, longest=60.0)
STEADY = 10.0
"""Seconds for which a connection has to last before waits begin anew from the shortest."""
LONGEST_WAIT = 3600.0
"""Seconds that a vendor's "try again after" can hold up a connection."""


@dataclass(frozen=True)
class Health:
    """Whether messages get through, as of now."""

    connected: bool
    """The vendor itself has said so, with these credentials."""
    account: str = ""
    """What the vendor calls the bot; of one that is connected."""
    failure: Failure | Literal["host", "bug", ""] = ""
    """Why not: ``host``, where what came in could not be kept; ``bug``, where the channel raised what it should not. Empty before the first try."""
    message: str = ""


@dataclass(frozen=True)
class ChannelContext:
    """What a channel is handed: it makes no client of its own, reads no environment and keeps no files."""

    http: aiohttp.ClientSession = field(repr=False)
    """Keeps no cookies, reads no proxy settings; fails as a connection does where an address may not be asked."""
    receive: Callable[[InboundMessage], Awaitable[None]] = field(repr=False)
    """Returns when the message is kept for good, or when the host has seen that it wants none of it. What it raises says that it could do neither: let it
    pass, the message is not to be acknowledged."""
    report: Callable[[Health], None] = field(repr=False)
    """`Channel.run` and `Channel.connected` call it."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The decoded data of the Secret, by key."""
    settings: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    """By chat, the id of the newest message that was kept before this channel was opened: for a vendor that does not deliver again what nobody
    acknowledged, and can be asked for what came after it."""


class Channel(ABC):
    """One instance for each bound channel. `open` once; then `run` until it is cancelled, and meanwhile any number of `send`, `react` and `webhook` at a time;
    `close` once. A cancel ends any of them within seconds, and leaves no task behind."""

    abilities: ClassVar[Abilities]
    credential_keys: ClassVar[tuple[str, ...]] = ("token",)
    """Names under which a Secret may hold the bot's token, in order."""
    settings: ClassVar[Mapping[str, str]] = {}
    """The settings that there are, with what each is where nobody says; others are refused."""
    called: bool = False
    """The vendor calls: `webhook` has to be reachable from outside. Of a channel that can do either, `open` says it, by the settings."""

    async def open(self, context: ChannelContext) -> None:
        """Imports and builds what is dear, and asks nobody. Raises ChannelError ("auth": a credential is missing; "refused": a setting is no good)
        or ImportError."""
        self.context = context
        self._attempts = Attempts(BACK_OFF)
        unknown = sorted(set(context.settings) - set(self.settings))
        if unknown:
            known = ", ".join(self.settings) or "it has none"
            raise ChannelError("refused", f"setting {unknown[0]!r} is not one of this channel", hint=f"settings: {known}")
        self.credential()

    @final
    async def run(self) -> None:
        """Listens until it is cancelled, again and again with growing waits, and reports how it stands. Raises ChannelError for what no second try
        mends: credentials that are refused, settings that are."""
        while True:
            health, wait = await self._listened()
            wait = max(wait, self._attempts.failed())
            self.context.report(health)
            await asyncio.sleep(wait)

    async def _listened(self) -> tuple[Health, float]:
        """One connection, made and ended: how it stands now, and the seconds that the vendor wants to be left alone."""
        began = time.monotonic()
        try:
            await self.listen()
        except ChannelError as error:
            health = Health(False, failure=error.failure, message=error.message)
            if error.failure in ("auth", "refused"):
                self.context.report(health)
                raise
            return health, min(error.retry_after or 0.0, LONGEST_WAIT)
        except SympoziumError as error:
            return Health(False, failure="host", message=error.message), 0.0
        except Exception as error:
            # Not its words: nobody has looked for a token in them.
            return Health(False, failure="bug", message=f"the channel raised {type(error).__name__}"), 0.0
        finally:
            if time.monotonic() - began >= STEADY:
                self._attempts.succeeded()
        return Health(False, failure="unavailable", message="the connection ended"), 0.0

    @abstractmethod
    async def listen(self) -> None:
        """One connection, from its making to its end: calls `connected` when the vendor has accepted the credentials, then hands each message to
        `context.receive`, those of a chat in order, and acknowledges it afterwards. Returns or raises ChannelError when the connection is lost.

        Where the vendor calls, it asks who the bot is, calls `connected`, and asks again from time to time."""

    def connected(self, account: str) -> None:
        """For `listen`: the vendor has said who we are. Reports it; `account` is what it calls the bot."""
        self.context.report(Health(True, account=account))

    @final
    async def send(self, message: OutboundMessage) -> str:
        """The vendor's id of the message, once it is there; one that `reply_to` takes. A text that is too long is cut by `pieces`, not here.
        Raises ChannelError, at once: whoever calls decides what is tried again."""
        lacks = self.abilities.lacking(message)
        if lacks:
            raise ChannelError("refused", f"this channel has no {lacks}", hint="send it without")
        if not message.text.strip() or not self.abilities.fits(message.text):
            longest = f"{self.abilities.longest_text} {self.abilities.counted_in}"
            raise ChannelError("refused", f"the text is empty or has more than {longest}", hint="cut it with pieces()")
        return await self.post(message)

    @final
    async def react(self, reaction: Reaction) -> None:
        """Raises ChannelError, as `send` does."""
        if self.abilities.lacking(reaction):
            raise ChannelError("refused", "this channel has no reactions", hint="send a message instead")
        await self.mark(reaction)

    @abstractmethod
    async def post(self, message: OutboundMessage) -> str:
        """`send`, for a message that the channel can send: asks the vendor once. Raises ChannelError, ``unknown`` where the request went out and no
        answer came."""

    async def mark(self, reaction: Reaction) -> None:
        """`react`, for a channel that declares it."""
        raise NotImplementedError(f"{type(self).__name__} declares reactions and does not implement mark")

    async def webhook(self, request: WebRequest) -> WebAnswer:
        """Answers a call of the vendor, after `open`: checks its signature, and its age, over the bytes as they came and before they are read as
        anything else; answers with success when `context.receive` has returned. What it raises is answered with 503, and the vendor comes again."""
        return WebAnswer(404, b"this channel is not called\n")

    async def close(self) -> None:
        """Gives back what `open` took."""

    def credential(self, *keys: str) -> str:
        """The value of the first of these keys that the Secret has, `credential_keys` if none are given; ChannelError("auth") that lists them."""
        wanted = keys or self.credential_keys
        for key in wanted:
            if self.context.credentials.get(key, "").strip():
                return self.context.credentials[key].strip()
        raise ChannelError(
            "auth",
            f"the Secret has no {wanted[0]} for this channel; looked for {', '.join(wanted)}",
            hint=f"add one: sympozium secrets create NAME --prompt {wanted[0]}",
        )

    def setting(self, name: str) -> str:
        """What the user says, or the default."""
        return self.context.settings.get(name, self.settings[name])
