"""Memory backends that are each broken in one way. In a module of their own, because other processes import them."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sympozium_core.contracts.memory import Full, Memory, Note, Place, Unavailable
from tests.testing.sound_memory import Notes, SoundMemory


def long(seconds: float = 60.0) -> None:
    threading.Event().wait(seconds)


class Forgets(SoundMemory):
    def write(self, notes: Notes) -> None:
        pass


class NeedsAFile(SoundMemory):
    def read(self) -> Notes:
        if not self.file().exists():
            raise ValueError("there are no notes")
        return super().read()


class Lists(SoundMemory):
    def newest(self, tags: Sequence[str], limit: int) -> Sequence[Note]:
        return [replace(note, tags=list(note.tags)) for note in super().newest(tags, limit)]  # type: ignore[arg-type]


class Strips(SoundMemory):
    def store(self, content: str, tags: Sequence[str]) -> Note:
        return super().store(content.strip().replace("\x00", " "), tags)


class NewLines(SoundMemory):
    def write(self, notes: Notes) -> None:
        super().write([replace(note, content=note.content.replace("\r\n", "\n")) for note in notes])


class FoldsCase(SoundMemory):
    def same(self, one: str, other: str) -> bool:
        return one.casefold() == other.casefold()


class Doubles(SoundMemory):
    def same(self, one: str, other: str) -> bool:
        return False


class NewTagsOnly(SoundMemory):
    def merged(self, old: Note | None, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tags))


class SortsTags(SoundMemory):
    def merged(self, old: Note | None, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(super().merged(old, tags)))


class CommasBetween(SoundMemory):
    def merged(self, old: Note | None, tags: Sequence[str]) -> tuple[str, ...]:
        return tuple(",".join(super().merged(old, tags)).split(",")) if tags else ()


class PartsOfTags(SoundMemory):
    def has(self, note: Note, tags: Sequence[str]) -> bool:
        return all(tag in " ".join(note.tags) for tag in tags)


class AnyTag(SoundMemory):
    def has(self, note: Note, tags: Sequence[str]) -> bool:
        return not tags or bool(set(tags) & set(note.tags))


class OneId(SoundMemory):
    def name(self, notes: Notes, old: Note | None) -> str:
        return "1"


class ByTheClock(SoundMemory):
    def newest(self, tags: Sequence[str], limit: int) -> Sequence[Note]:
        oldest_first = list(reversed(super().newest(tags, 1 << 30)))
        return sorted(oldest_first, key=lambda note: note.at, reverse=True)[:limit]


class StaysInPlace(SoundMemory):
    def placed(self, notes: Notes, note: Note, old: Note | None) -> Notes:
        return [note if each is old else each for each in notes] if old else [*notes, note]


class NoLimit(SoundMemory):
    def newest(self, tags: Sequence[str], limit: int) -> Sequence[Note]:
        return super().newest(tags, 1 << 30)

    def search(self, query: str, limit: int) -> Sequence[Note]:
        return super().search(query, 1 << 30)


class LongAgo(SoundMemory):
    def now(self) -> str:
        return "1970-01-01T00:00:00Z"


class AllWords(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        asked = set(self.words(query))
        return [note for note in super().search(query, limit) if asked <= set(self.words(self.searched(note)))]


class MindsCase(SoundMemory):
    def words(self, text: str) -> list[str]:
        return re.findall(r"\w+", text)


class Latin(SoundMemory):
    def words(self, text: str) -> list[str]:
        return re.findall(r"\w+", text.casefold(), re.ASCII)


class TagsUnseen(SoundMemory):
    def searched(self, note: Note) -> str:
        return note.content


class FirstTagsOnly(SoundMemory):
    def __init__(self) -> None:
        self.first: dict[str, Note] = {}

    def placed(self, notes: Notes, note: Note, old: Note | None) -> Notes:
        self.first.setdefault(note.id, note)
        return super().placed(notes, note, old)

    def searched(self, note: Note) -> str:
        return super().searched(self.first.get(note.id, note))


class NewestFirst(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        return sorted(super().search(query, 1 << 30), key=lambda note: -int(note.id))[:limit]


class AllWordsAlike(SoundMemory):
    def worth(self, word: str, found: dict[str, set[str]]) -> float:
        return 1.0


class Twice(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        return [note for note in super().search(query, limit) for _ in range(2)][:limit]


class WithoutTags(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        return [replace(note, tags=()) for note in super().search(query, limit)]


class Patterns(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        re.compile(query)
        return super().search(query, limit)


class EverythingForNothing(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        return super().search(query, limit) if self.words(query) else self.newest([], limit)


class ShortWords(SoundMemory):
    def words(self, text: str) -> list[str]:
        return [word for word in super().words(text) if len(word) < 1000]


class Slow(SoundMemory):
    def search(self, query: str, limit: int) -> Sequence[Note]:
        if len(query) > 100_000:
            long()
        return super().search(query, limit)


class CutsAtControls(SoundMemory):
    def searched(self, note: Note) -> str:
        return re.split(r"[^\x20-\uffff]", super().searched(note))[0]


class MakesRoom(SoundMemory):
    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        while sum(map(self.size, [*notes, note])) > self.place.max_bytes:
            notes.pop(0)


class LeavesOneByte(SoundMemory):
    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        if sum(map(self.size, [*notes, note])) >= self.place.max_bytes:
            raise Full(f"{self.place.max_bytes} bytes")


class Characters(SoundMemory):
    def size(self, note: Note) -> int:
        return len(note.content) + sum(map(len, note.tags))


class ContentsOnly(SoundMemory):
    def size(self, note: Note) -> int:
        return len(note.content.encode())


class FirstTagsCount(SoundMemory):
    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        if old is None:
            super().check_room(notes, note, old)


class CountsAgain(SoundMemory):
    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        super().check_room(notes, note, None)


class Terse(SoundMemory):
    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        try:
            super().check_room(notes, note, old)
        except Full:
            raise Full("no room") from None


class Trims(SoundMemory):
    def open(self, place: Place) -> None:
        super().open(place)
        self.write([note for note in self.read() if self.size(note) <= place.max_bytes])


class FirstBound(SoundMemory):
    def open(self, place: Place) -> None:
        super().open(place)
        bound = place.folder / "bound"
        if not bound.exists():
            bound.write_text(str(place.max_bytes))
        self.place = Place(place.folder, int(bound.read_text()))


class CountsItsOwn(SoundMemory):
    used = 0

    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        if self.used + self.size(note) > self.place.max_bytes:
            raise Full(f"{self.used} of {self.place.max_bytes} bytes")
        self.used += self.size(note)


class Logs(SoundMemory):
    def write(self, notes: Notes) -> None:
        super().write(notes)
        with open(self.place.folder / "log", "a", encoding="utf-8") as log:
            log.write(f"{notes[-1]}\n" if notes else "")


class WantsWords(SoundMemory):
    def __init__(self, words: str) -> None:
        pass


class ClosesOnce(SoundMemory):
    def close(self) -> None:
        del self.place


class MakesAnew(SoundMemory):
    def make(self, folder: Path) -> None:
        folder.mkdir()


class TidiesUp(SoundMemory):
    def close(self) -> None:
        self.file().unlink(missing_ok=True)


class OneFolder(SoundMemory):
    first: ClassVar[Path | None] = None

    def file(self) -> Path:
        type(self).first = self.first or self.place.folder
        return self.first / "notes.json"  # type: ignore[operator]  # it has just been set


class Beside(SoundMemory):
    def file(self) -> Path:
        return self.place.folder.with_suffix(".json")


class TellsNobody(SoundMemory):
    @contextmanager
    def trouble(self) -> Iterator[None]:
        yield


class BearsAGrudge(SoundMemory):
    broken: ClassVar[bool] = False

    def open(self, place: Place) -> None:
        if self.broken:
            raise Unavailable("it was broken before")
        type(self).broken = True
        super().open(place)
        type(self).broken = False


class Remembers(SoundMemory):
    known: Notes | None = None

    def read(self) -> Notes:
        self.known = super().read() if self.known is None else self.known
        return self.known

    def write(self, notes: Notes) -> None:
        self.known = notes
        super().write(notes)


class KeepsTheLock(SoundMemory):
    """From the first call to the last."""

    held: Any = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        if self.held is None:
            self.held = os.open(self.place.folder / "lock", os.O_CREAT | os.O_RDWR)
            fcntl.flock(self.held, fcntl.LOCK_EX)
        yield

    def close(self) -> None:
        if self.held is not None:
            os.close(self.held)
            self.held = None


class NoLock(SoundMemory):
    @contextmanager
    def turn(self) -> Iterator[None]:
        yield

    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        long(0.01)


class RacesToBegin(SoundMemory):
    def make(self, folder: Path) -> None:
        if not folder.exists():
            long(0.01)
            folder.mkdir()


class LockOfTheProcess(SoundMemory):
    @contextmanager
    def turn(self) -> Iterator[None]:
        with open(self.place.folder / "lock", "ab") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            yield

    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        long(0.01)


class WritesLater(SoundMemory):
    """Every thousandth time."""

    waiting: ClassVar[Notes] = []

    def read(self) -> Notes:
        return list(self.waiting) or super().read()

    def write(self, notes: Notes) -> None:
        type(self).waiting = notes
        if len(notes) % 1000 == 0:
            super().write(notes)


class LockIsAFile(SoundMemory):
    @contextmanager
    def turn(self) -> Iterator[None]:
        lock = self.place.folder / "lock"
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                long(0.001)
        yield
        lock.unlink()

    def check_room(self, notes: Notes, note: Note, old: Note | None) -> None:
        long(0.02)


class TagsComeLater(SoundMemory):
    def write(self, notes: Notes) -> None:
        super().write([*notes[:-1], replace(notes[-1], tags=())])
        long(0.02)
        super().write(notes)


class Unfinished(Memory):
    def open(self, place: Place) -> None:
        pass
