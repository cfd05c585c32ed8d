"""One cassette file in use: read again when it changed, found in by content, recorded by one run at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sympozium_core.contracts.provider import ProviderError
from sympozium_provider_replay.cassette import Cassette, Entry, Recorded, RecordedAnswer
from sympozium_provider_replay.cassette_file import CassetteError, read, write
from sympozium_provider_replay.conversation import Asked, Index
from sympozium_provider_replay.difference import describe

MAX_RUNS = 1024
"""Runs whose place among equal requests is remembered."""


class Tape:
    """Shared by all runs that use one file. Only equal requests need memory: which of their answers a run had last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recording_run = ""
        self._version: tuple[int, int, int] | None = None
        self._cassette = Cassette()
        self._index = Index(self._cassette)
        self._places: dict[str, dict[int, int]] = {}
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
        if len(found) < 2:
            return found[0] if found else None
        places = self._places.setdefault(run, {})
        if len(self._places) > MAX_RUNS:
            self._places.pop(next(iter(self._places)))
        turn = places.get(found[0], 0)
        places[found[0]] = turn + 1
        return found[min(turn, len(found) - 1)]

    def differs(self, asked: Asked) -> ProviderError:
        """The error for a request that is not on the tape."""
        number = self._index.nearest(asked)
        if number is None:
            return ProviderError(
                "refused", f"cassette {self.path} is empty", hint="add `record:` to it, with a provider and a model"
            )
        what = describe(asked, self._cassette.entries, number, self._index)
        return ProviderError("refused", f"cassette {self.path.name}: {what}", hint="to record it again, empty its `entries`")

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
