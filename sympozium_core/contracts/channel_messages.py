"""What goes through a channel: messages in both directions, what a channel can do with them, and how it fails. Plain data; see `channel`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from sympozium_core.contracts.channel_text import Unit, measure, split
from sympozium_core.errors import SympoziumError

Failure = Literal["auth", "rate_limited", "refused", "unavailable", "unknown", "garbage"]

MAX_ID = 256
"""Characters of an id."""
MAX_NAME = 128
"""Characters of a sender's name that are kept."""
MAX_TEXT = 32_000
"""Characters of a message from outside that are kept."""
_NO_ID = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ChannelError(SympoziumError):
    """The vendor could not be spoken to. `failure` decides what the host does.

    ``auth`` (the credentials are refused or missing) and ``refused`` (the message, the chat or the settings are) are not tried again; ``rate_limited``
    is after `retry_after`, ``unavailable`` (nothing was taken) and ``garbage`` (what came breaks the protocol) after a while. ``unknown``: a message
    was handed over and nobody said what became of it. Never contains a credential.
    """

    def __init__(
        self, failure: Failure, message: str, *, status: int = 0, retry_after: float | None = None, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.failure = failure
        self.status = status
        self.retry_after = retry_after
        """Seconds."""

    @property
    def retryable(self) -> bool:
        """Whether the same may go well later, and has not been done already."""
        return self.failure in ("rate_limited", "unavailable", "garbage")


@dataclass(frozen=True)
class InboundMessage:
    """What a person wrote. Whatever a vendor sends fits in here or is no message: ids are checked (ValueError), names and texts are cut and cleaned."""

    id: str
    """The vendor's, made unique among all that this bot sees, and the same whenever the vendor delivers the message again."""
    chat: str
    sender: str
    """The vendor's id of a person: names can be chosen, ids cannot."""
    text: str
    sender_name: str = ""
    thread: str = ""
    """Within the chat; empty outside of any."""
    direct: bool = False
    """A chat of nobody but the sender and the bot."""
    addressed: bool = False
    """The bot is meant: a direct chat, a mention, or a reply to what it said."""
    cut: bool = False
    """`text` is only the beginning."""

    def __post_init__(self) -> None:
        for name in ("id", "chat", "sender", "thread"):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > MAX_ID or _NO_ID.search(value) or not (value or name == "thread"):
                raise ValueError(f"{name}: expected an id of 1 to {MAX_ID} plain characters")
        if not isinstance(self.text, str) or not isinstance(self.sender_name, str):
            raise ValueError("text and sender_name: expected text")
        object.__setattr__(self, "sender_name", _NO_ID.sub("\N{REPLACEMENT CHARACTER}", self.sender_name[:MAX_NAME]))
        object.__setattr__(self, "cut", self.cut or len(self.text) > MAX_TEXT)
        object.__setattr__(self, "text", _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", self.text[:MAX_TEXT]))


@dataclass(frozen=True)
class OutboundMessage:
    """What the agent says. `chat`, `thread` and `reply_to` are as they came with an InboundMessage."""

    chat: str
    text: str
    key: str
    """Of this message alone, and the same when it is sent again: for vendors that drop doubles."""
    thread: str = ""
    reply_to: str = ""
    """The id of an InboundMessage of the chat, or what `Channel.send` returned."""
    markdown: bool = False
    """The text is CommonMark, as models write it; the channel makes of it what the vendor shows. False: shown letter by letter."""
    alias: str = ""
    """The name under which it is shown, where one bot speaks for several agents."""


@dataclass(frozen=True)
class Reaction:
    """A mark on somebody's message."""

    chat: str
    message: str
    """As `OutboundMessage.reply_to`."""
    emoji: str
    """The character itself, such as 👀."""


@dataclass(frozen=True)
class Abilities:
    """What a channel can do with what is sent; what it cannot do is refused before the vendor is asked."""

    longest_text: int
    """Of one message."""
    counted_in: Unit = "characters"
    """What `longest_text` counts, as the vendor does."""
    threads: bool = False
    """`thread`, in both directions."""
    replies: bool = False
    """`reply_to`."""
    markdown: bool = False
    """`markdown`; the letters of a text are shown as they are where it is False."""
    aliases: bool = False
    """`alias`."""
    reactions: bool = False
    """Reaction, by `Channel.react`."""
    drops_doubles: bool = False
    """The vendor takes messages of one `key` once."""

    def lacking(self, message: OutboundMessage | Reaction) -> str:
        """What of a message cannot be done, in words; empty if all can."""
        if isinstance(message, Reaction):
            return "" if self.reactions else "reactions"
        asked = {
            "threads": message.thread,
            "replies to a message": message.reply_to,
            "Markdown": message.markdown,
            "names of its own for a message": message.alias,
        }
        able = (self.threads, self.replies, self.markdown, self.aliases)
        return ", ".join(what for can, (what, wanted) in zip(able, asked.items(), strict=True) if wanted and not can)

    def fits(self, text: str) -> bool:
        return measure(text, self.counted_in) <= self.longest_text


def pieces(message: OutboundMessage, abilities: Abilities) -> Iterator[OutboundMessage]:
    """A message as those that a channel takes, in order: the same ones each time, so that one that went half way can be gone on with. Only the first
    replies to anything. Raises ChannelError("refused") for what the channel cannot do, and for a text with nothing in it."""
    lacks = abilities.lacking(message)
    if lacks:
        raise ChannelError("refused", f"this channel has no {lacks}", hint="send it without")
    texts = split(message.text, abilities.longest_text, abilities.counted_in)
    if not texts:
        raise ChannelError("refused", "the text is empty", hint="send at least one letter")
    for number, text in enumerate(texts):
        key = message.key if len(texts) == 1 else f"{message.key}.{number}"
        yield replace(message, text=text, key=key, reply_to="" if number else message.reply_to)


@dataclass(frozen=True)
class WebRequest:
    """A vendor's call, as it arrived, of a bounded size. Nothing of it is true before its signature has been checked."""

    method: str
    path: str
    """Below the address that is this channel's own; begins with a slash."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names in lower case."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class WebAnswer:
    status: int
    body: bytes = b""
    content_type: str = "text/plain"
