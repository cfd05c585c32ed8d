"""What a cassette holds: who recorded it, and one entry for each call of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

VERSION = 1

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """The live model that a cassette is recorded from."""

    provider: str
    model: str
    base_url: str = ""


@dataclass(frozen=True)
class Recorded:
    """How the entries came about. While `run` goes on asking, what it asks is added."""

    provider: str
    model: str
    at: str
    run: str


@dataclass(frozen=True)
class Mask:
    """What may differ from run to run, such as a date: replaced on both sides before they are compared."""

    pattern: str
    replacement: str


@dataclass(frozen=True)
class RecordedCall:
    """A tool call. `arguments` is the object, or the text where that is not a JSON object."""

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True)
class RecordedAnswer:
    text: str = ""
    tool_calls: tuple[RecordedCall, ...] = ()
    finish_reason: str = "stop"
    prompt_tokens: int | None = None
    """None: the model reported no usage."""
    completion_tokens: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    """Other texts of the answer by their field, such as ``reasoning_content``."""


@dataclass(frozen=True)
class Entry:
    """One call. `messages`, `tools` and `parameters` are whole here; the file leaves out what the entry before has already."""

    messages: tuple[Message, ...]
    """In the form of `conversation.plain_message`."""
    tools: Mapping[str, str]
    """Digest of each tool's definition, by its name."""
    parameters: Mapping[str, Any]
    """Everything else in the request, without the model's name and the framing."""
    answer: RecordedAnswer
    pause: float = 0.0
    """Seconds before each piece of the text when it is played."""


@dataclass(frozen=True)
class Cassette:
    entries: tuple[Entry, ...] = ()
    record: Source | None = None
    recorded: Recorded | None = None
    masks: tuple[Mask, ...] = ()
    pause: float = 0.0
    """For entries without a pause of their own."""

    def recordable_by(self, run: str) -> bool:
        """Nothing is on it yet, or this run is the one that records it."""
        if self.record is None:
            return False
        return not self.entries or (self.recorded is not None and self.recorded.run == run)
