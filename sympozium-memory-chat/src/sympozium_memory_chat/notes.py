"""Notes in one JSON file, the newest last, which is replaced by a whole new one for each note."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sympozium_core.contracts.memory import MAX_WORDS, Full, Memory, Note, Place, Unavailable

FILE, NEW, LOCK = "notes.json", "notes.new", "lock"
PATIENCE = 5.0
"""Seconds for which a call waits while another process writes."""


class ChatMemory(Memory):
    """Who writes holds a lock, which ends with its process. Who reads needs none: the file is never half written."""

    place: Place

    def open(self, place: Place) -> None:
        self.place = place
        with _trouble_is_told():
            place.folder.mkdir(exist_ok=True)
            self._read()

    def store(self, content: str, tags: Sequence[str]) -> Note:
        with _trouble_is_told(), self._turn():
            notes = self._read()
            old = next((note for note in notes if note.content == content), None)
            wanted = tuple(dict.fromkeys((*(old.tags if old else ()), *tags)))
            name = old.id if old else str(1 + max((int(note.id) for note in notes), default=0))
            note = Note(name, content, wanted, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
            used, needed = sum(map(_size, notes)), _size(note) - (_size(old) if old else 0)
            if needed and used + needed > self.place.max_bytes:
                raise Full(f"the memory has {used} of {self.place.max_bytes} bytes")
            self._write([*(each for each in notes if each is not old), note])
            return note

    def search(self, query: str, limit: int) -> list[Note]:
        words = list(dict.fromkeys(_words(query)))[:MAX_WORDS]
        with _trouble_is_told():
            notes = self._read()[::-1]
        had = [set(_words(" ".join((note.content, *note.tags)))) for note in notes]
        worth = {word: math.log(1 + len(notes) / count) for word in words if (count := sum(word in each for each in had))}
        scores = [sum(worth[word] for word in worth if word in each) for each in had]
        best = sorted((index for index, score in enumerate(scores) if score), key=lambda index: -scores[index])
        return [notes[index] for index in best[:limit]]

    def newest(self, tags: Sequence[str], limit: int) -> list[Note]:
        with _trouble_is_told():
            notes = self._read()[::-1]
        return [note for note in notes if set(tags) <= set(note.tags)][:limit]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else writes meanwhile, in this process or another."""
        end = time.monotonic() + PATIENCE
        with open(self.place.folder / LOCK, "ab") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.005)
            yield

    def _read(self) -> list[Note]:
        try:
            text = (self.place.folder / FILE).read_text("utf-8")
        except FileNotFoundError:
            return []
        return [Note(each["id"], each["content"], tuple(each["tags"]), each["at"]) for each in json.loads(text)]

    def _write(self, notes: list[Note]) -> None:
        """On disk when this returns."""
        folder = self.place.folder
        with open(folder / NEW, "w", encoding="utf-8") as file:
            json.dump([dataclasses.asdict(note) for note in notes], file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(folder / NEW, folder / FILE)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _trouble_is_told() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"the notes cannot be used: {error}", hint="go on without them, or try again in a moment") from error


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _size(note: Note) -> int:
    return len(note.content.encode()) + sum(len(tag.encode()) for tag in note.tags)
