"""One cassette file in use: read again when it changed, found in by content, recorded by one run at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sympozium_core.contracts.provider import ProviderError
from sympozium_provider_replay.cassette import Cassette, Entry, Recorded, RecordedAnswer
from sympozium_provider_replay.cassette_file import CassetteError, read, write
from sympozium_provider_replay.conversation import Asked, Index
from sympozium_provider_replay.difference import describe

MAX_RUNS = 1024
"""Runs whose place among equal requests is remembered."""


@dataclass
class _Place:
    """Where a run is. Only for equal requests, and to say which request was expected; a lost place loses no run."""

    last: int = -1
    turns: dict[int, int] = field(default_factory=dict)
    """How often the request of that entry was answered."""


class Tape:
    """Shared by all runs that use one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recording_run = ""
        self._version: tuple[int, int, int] | None = None
        self._cassette = Cassette()
        self._index = Index(self._cassette)
        self._places: dict[str, _Place] = {}
        self._writing = asyncio.Lock()

    async def cassette(self) -> Cassette:
        """What is in the file now. Raises ProviderError("refused") for a file that is missing or is no cassette."""
        try:
            state = self.path.stat()
            version = (state.st_mtime_ns, state.st_size, state.st_ino)
            if version != self._version:
                cassette = await asyncio.to_thread(read, self.path)
                self._cassette, self._index, self._version = cassette, Index(cassette), version
                self._places.clear()
        except FileNotFoundError:
            raise ProviderError(
                "refused", f"there is no cassette {self.path}", hint="see docs/replay.md to record one"
            ) from None
        except OSError as error:
            raise ProviderError("refused", f"cassette {self.path} cannot be read: {error.strerror}") from error
        except CassetteError as error:
            raise ProviderError("refused", f"cassette {self.path}: {error}") from error
        return self._cassette

    def find(self, asked: Asked, run: str) -> int | None:
        """Number of the entry to play for this run; of equal requests each in turn, the last again when all were played."""
        found = self._index.find(asked)
        if not found:
            return None
        place = self._places.pop(run, None) or _Place()
        self._places[run] = place
        if len(self._places) > MAX_RUNS:
            self._places.pop(next(iter(self._places)))
        turn = place.turns.get(found[0], 0)
        place.turns[found[0]] = turn + 1
        place.last = found[min(turn, len(found) - 1)]
        return place.last

    def differs(self, asked: Asked, run: str) -> ProviderError:
        """The error for a request that is not on the tape."""
        number = self._expected(asked, run)
        if number is None:
            return ProviderError(
                "refused", f"cassette {self.path} is empty", hint="add `record:` to it, with a provider and a model"
            )
        what = describe(asked, self._cassette.entries, number, self._index)
        return ProviderError("refused", f"cassette {self.path.name}: {what}", hint="to record it again, empty its `entries`")

    def _expected(self, asked: Asked, run: str) -> int | None:
        """The entry after the one that the run had last, if the request can be that one; else the most similar."""
        entries = self._cassette.entries
        last = self._places[run].last if run in self._places else -1
        if 0 <= last < len(entries) - 1 and len(asked.messages) > len(entries[last].messages):
            return last + 1
        return self._index.nearest(asked)

    async def append(self, asked: Asked, answer: RecordedAnswer, run: str) -> None:
        """Adds an entry to the file. Raises ProviderError("refused")."""
        async with self._writing:
            cassette = await self.cassette()
            if cassette.record is None or not cassette.recordable_by(run):
                raise ProviderError("refused", f"cassette {self.path} was recorded by another run meanwhile")
            source = cassette.record
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            entry = Entry(asked.messages, asked.tools, asked.parameters, answer)
            recorded = (
                cassette.recorded
                if cassette.entries and cassette.recorded
                else Recorded(source.provider, source.model, at, run)
            )
            longer = replace(cassette, entries=(*cassette.entries, entry), recorded=recorded)
            try:
                await asyncio.to_thread(write, self.path, longer)
            except OSError as error:
                raise ProviderError("refused", f"cassette {self.path} cannot be written: {error.strerror}") from error
            except CassetteError as error:
                raise ProviderError("refused", f"cassette {self.path}: {error}") from error
