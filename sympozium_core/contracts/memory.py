"""A memory backend: keeps the notes of an instance in a folder. It runs in the sidecar that serves the memory tools, and nowhere else.

Every run of an instance has a sidecar of its own, so several processes may have the same folder open at once, each may ask from several threads, and
any of them may be killed at any moment. Two promises hold nevertheless: what `Memory.store` has returned is there for everybody from then on, and
what it has not returned is there whole or not at all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sympozium_core.errors import Permanent, Temporary

MAX_CONTENT = 4000
"""Characters of one note."""
MAX_TAGS, MAX_TAG = 10, 40
"""Tags in one call, characters of one."""
MAX_NOTES = 50
"""Notes in one answer."""
MAX_WORDS = 64
"""Words of a question that count: a backend may leave out those after them."""


class Full(Permanent):
    """There is no room for a note, and nothing was stored. The message says how many bytes are used, and of how many."""


class Unavailable(Temporary):
    """The folder cannot be used, or not now: it cannot be written, what is in it is damaged, or another process has it for too long."""


@dataclass(frozen=True)
class Place:
    """What a backend is handed."""

    folder: Path
    """The backend's own: what other backends have kept for the instance is elsewhere. Its parent is there; it may have to be made."""
    max_bytes: int
    """That contents and tags of all notes together may have, as UTF-8. What the backend adds for itself does not count, and is to be in proportion."""


@dataclass(frozen=True)
class Note:
    id: str
    """Short, and of this note for as long as it is there."""
    content: str
    tags: tuple[str, ...]
    """In the order in which they came, each once."""
    at: str
    """When it was stored last, UTC: ``2026-03-01T12:00:00Z``."""


class Memory(ABC):
    """Made without arguments, which does no work; `open` once, then any number of calls, then `close`.

    Texts are a model's, and may be hostile: whatever is in them is text, in every argument, and comes back unchanged. The caller sees to it that a content has 1 to
    `MAX_CONTENT` characters, a tag 1 to `MAX_TAG` and none for which `str.isspace` holds, that there are at most `MAX_TAGS`, that each text can be written as UTF-8,
    and that a `limit` is 1 to `MAX_NOTES`. A call blocks for seconds at the most. It raises Unavailable, or Full where that is said, and nothing else.
    """

    @abstractmethod
    def open(self, place: Place) -> None:
        """Makes ready what is needed. Files are made in the place's folder and nowhere else; no lock outlasts a call. Raises Unavailable."""

    @abstractmethod
    def store(self, content: str, tags: Sequence[str]) -> Note:
        """The note, which is on disk when this returns, and is found by all processes that have the folder open.

        Equal content is one note: one that is there gets the further tags after its own, becomes the newest, and keeps its id. What is there already needs no
        room. Raises Full, for all processes together, where contents and tags would have more than `Place.max_bytes`.
        """

    @abstractmethod
    def search(self, query: str, limit: int) -> Sequence[Note]:
        """Notes that have any of the words in content or tags, whatever their case, the best first, each once.

        A word is a run of letters, digits and ``_``. Other things being equal, a note with more of the words is the better one, and a word is worth more the fewer
        notes have it. A backend may find more than that, after those. A question without a word finds nothing.
        """

    @abstractmethod
    def newest(self, tags: Sequence[str], limit: int) -> Sequence[Note]:
        """Notes that have all of the tags, exactly those; all notes where there are no tags. In the order in which they were stored, the last one first,
        which is not that of the clock."""

    def close(self) -> None:
        """Gives back what `open` took; called again, or without `open`, it does nothing."""
