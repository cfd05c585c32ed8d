"""Artifacts as files: written beside, synced, then renamed, so that a name is always one whole artifact, the old or the new."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sympozium_core.contracts.bus import BusUnavailable, LimitReached

CHUNK_BYTES = 256 * 1024
_UNFINISHED = ".tmp"


class ArtifactStore:
    """One file an artifact, named by the SHA-256 of the artifact's name: a name may hold anything, a file name not."""

    def __init__(self, directory: Path, max_bytes: int) -> None:
        self._directory, self._max_bytes = directory, max_bytes
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._bytes = 0
        for entry in os.scandir(directory):
            if entry.name.endswith(_UNFINISHED):
                os.unlink(entry.path)
            else:
                self._bytes += entry.stat().st_size

    async def put(self, name: str, data: AsyncIterator[bytes]) -> int:
        path = self._path(name)
        unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        size = 0
        file = await asyncio.to_thread(_create, unfinished)
        try:
            async for chunk in data:
                size += len(chunk)
                self._bytes += len(chunk)
                if self._bytes > self._max_bytes:
                    raise LimitReached(f"the artifacts would hold more than {self._max_bytes} bytes; delete old runs")
                await asyncio.to_thread(file.write, chunk)
            self._bytes -= await asyncio.to_thread(_finish, file, unfinished, path)
        except BaseException as error:
            self._bytes -= size
            file.close()
            with suppress(OSError):
                os.unlink(unfinished)
            if isinstance(error, OSError):
                raise LimitReached(f"the artifact could not be written: {error.strerror}", hint="free space") from error
            raise
        return size

    async def get(self, name: str) -> AsyncGenerator[bytes, None]:
        try:
            file = await asyncio.to_thread(self._path(name).open, "rb")
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            raise BusUnavailable(f"the artifact could not be read: {error.strerror}") from error
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
        finally:
            file.close()

    async def delete(self, name: str) -> None:
        self._bytes -= await asyncio.to_thread(_remove, self._path(name))

    def _path(self, name: str) -> Path:
        return self._directory / hashlib.sha256(name.encode()).hexdigest()


def _create(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _finish(file: BinaryIO, unfinished: Path, path: Path) -> int:
    """Puts the file into place durably; returns the size of the one that it replaces."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    replaced = path.stat().st_size if path.exists() else 0
    os.rename(unfinished, path)
    _sync_directory(path.parent)
    return replaced


def _remove(path: Path) -> int:
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    _sync_directory(path.parent)
    return size


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
