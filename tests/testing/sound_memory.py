"""A small memory backend with nothing wrong with it, in steps that others break one at a time."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sympozium_core.contracts.memory import Full, Memory, Note, Place, Unavailable

Notes = list[Note]


class SoundMemory(Memory):
    """All notes in one file, the newest last; it is replaced for each."""

    place: Place

    def open(self, place: Place) -> None:
        self.place = place
        with self.trouble():
            self.make(place.folder)
            self.read()

    def store(self, content: str, tags: Sequence[str]) -> Note:
        with self.trouble(), self.turn():
            notes = self.read()
            old = next((note for note in notes if self.same(note.content, content)), None)
            note = Note(self.name(notes, old), content, self.merged(old, tags), self.now())
            self.check_room(notes, note, old)
            self.write(self.placed(notes, note, old))
            return note

    def search(self, query: str, limit: int) -> Sequence[Note]:
        with self.trouble():
            notes = self.read()[::-1]
        asked = set(self.words(query))
        found = {note.id: asked & set(self.words(self.searched(note))) for note in notes}
        score = {name: sum(self.worth(word, found) for word in words) for name, words in found.items()}
        return sorted((note for note in notes if score[note.id]), key=lambda note: -score[note.id])[:limit]

    def newest(self, tags: Sequence[str], limit: int) -> Sequence[Note]:
        with self.trouble():
            notes = self.read()[::-1]
        return [note for note in notes if self.has(note, tags)][:limit]

    @contextmanager
    def trouble(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the notes cannot be used: {error}") from error

    def make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        with open(self.place.folder / "lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def file(self) -> Path:
        return self.place.folder / "notes.json"

    def read(self) -> Notes:
        if not self.file().exists():
            return []
        return [Note(each[0], each[1], tuple(each[2]), each[3]) for each in json.loads(self.file().read_text("utf-8"))]

    def write(self, notes: Notes) -> None:
        new = self.file().with_suffix(".new")
        new.write_text(json.dumps([[note.id, note.content, note.tags, note.at] for note in notes]), "utf-8")
        os.replace(new, self.file())

    def same(self, one: str, other: str) -> bool:
        return one == other

    def name(self, notes: Notes, old: Note | None) -> str:
        return old.id if old else str(len(notes) + 1)

    def merged(self, old: Note | None, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*(old.tags if old else ()), *tags)))

    def now(self) -> str:
        return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def size(self, note: Note) -> int:
        return len("".join((note.content, *note.tags)).encode())

    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        used = sum(map(self.size, notes))
        needed = self.size(note) - (self.size(old) if old else 0)
        if needed and used + needed > self.place.max_bytes:
            raise Full(f"{used} of {self.place.max_bytes} bytes")

    def placed(self, notes: Notes, note: Note, old: Note | None) -> Notes:
        return [*(each for each in notes if each is not old), note]

    def words(self, text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold())

    def searched(self, note: Note) -> str:
        return " ".join((note.content, *note.tags))

    def worth(self, word: str, found: dict[str, set[str]]) -> float:
        return 1 / sum(word in words for words in found.values())

    def has(self, note: Note, tags: Sequence[str]) -> bool:
        return set(tags) <= set(note.tags)
