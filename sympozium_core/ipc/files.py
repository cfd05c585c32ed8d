"""Reading and writing files that a hostile process may have made or may change at this moment.

Every path is relative to a `Root`, a directory descriptor, and is opened one component at a time without following symbolic links, so that
a directory swapped for a link leads nowhere. Files are opened non-blocking (a FIFO cannot hang the reader), must be regular with one link
(a hard link could name a file outside), and are bounded before and while they are read.
Writers write to a name that begins with a dot and rename, so that a reader sees a file whole or not at all.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from types import TracebackType
from typing import Any

from sympozium_core.ipc.documents import FileRefused as FileRefused
from sympozium_core.ipc.documents import encode, parse_object
from sympozium_core.ipc.layout import is_hidden

MAX_NAMES = 10_000
"""Entries of one directory that are looked at."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_count = itertools.count()


def split(path: str) -> list[str]:
    """Components of a relative path; raises FileRefused for an absolute one, for ``..``, an empty component or a NUL."""
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileRefused(path, "is not a plain relative path")
    return parts


class Root:
    """A directory and everything below it; the only way in is by its methods. Close it, or use it in a ``with``."""

    def __init__(self, path: str | os.PathLike[str], *, shared: bool = False) -> None:
        """`shared`: with another user, by the group: it may write in the directories that are made here."""
        self._shared = shared
        # The root itself is the caller's own choice, so links on the way to it are followed.
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __enter__(self) -> Root:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def open_directory(self, path: str, *, make: bool = False) -> int:
        """Descriptor of a directory below, for the caller to close; `make` creates what is missing.

        Raises FileNotFoundError where it is missing, and FileRefused where a component is a link or no directory.
        """
        descriptor = os.dup(self.descriptor)
        try:
            for part in split(path):
                below = _step(descriptor, part, path, make, self._shared)
                os.close(descriptor)
                descriptor = below
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def make_directory(self, path: str) -> None:
        os.close(self.open_directory(path, make=True))

    def make_new_directory(self, path: str) -> bool:
        """Whether this call made it: of several that try, one does."""
        directory, name = self._parent(path, make=True)
        try:
            os.mkdir(name, 0o755, dir_fd=directory)
            return True
        except FileExistsError:
            return False
        finally:
            os.close(directory)

    def open_file(self, path: str, *, single_link: bool = True) -> int:
        """Descriptor of a regular file for reading, for the caller to close. Raises FileNotFoundError or FileRefused."""
        directory, name = self._parent(path)
        try:
            descriptor = os.open(name, _READ, dir_fd=directory)
        except (FileNotFoundError, PermissionError):
            raise
        except OSError as error:
            raise FileRefused(path, "is a link, a socket or a device") from error
        finally:
            os.close(directory)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(path, "is not a regular file")
            if single_link and status.st_nlink != 1:
                raise FileRefused(path, "has more than one link")
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def read_bytes(self, path: str, limit: int, *, single_link: bool = True) -> bytes:
        """The whole file. Raises FileNotFoundError, or FileRefused also where it has more than `limit` bytes."""
        descriptor = self.open_file(path, single_link=single_link)
        try:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise FileRefused(path, f"has {size} bytes, {limit} are allowed")
            # One byte more than allowed: the file may have grown since.
            data = _read_up_to(descriptor, limit + 1, size + 1)
        finally:
            os.close(descriptor)
        if len(data) > limit:
            raise FileRefused(path, f"has more than the {limit} bytes that are allowed")
        return data

    def read_json(self, path: str, limit: int) -> dict[str, Any]:
        """The JSON object in a file of at most `limit` bytes. Raises FileNotFoundError or FileRefused."""
        return parse_object(self.read_bytes(path, limit), path)

    def write_bytes(self, path: str, data: bytes, *, mode: int = 0o644, sync: bool = False, make: bool = True) -> None:
        """Writes to a hidden name and renames: a reader sees the old file or the whole new one.

        `sync` also survives a power loss. Raises OSError (a full disk leaves nothing behind) or FileRefused.
        """
        directory, name = self._parent(path, make=make)
        hidden = f".{name[:180]}.{os.getpid()}.{next(_count)}"
        try:
            _write_new(directory, hidden, data, mode, sync)
            try:
                os.rename(hidden, name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError as error:
                os.unlink(hidden, dir_fd=directory)
                if isinstance(error, IsADirectoryError):
                    raise FileRefused(path, "is a directory") from error
                raise
            if sync:
                os.fsync(directory)
        finally:
            os.close(directory)

    def create_file(self, path: str, *, mode: int = 0o644) -> int:
        """Descriptor of a new empty file for writing, for the caller to close. Raises FileExistsError.

        For what is too large to be held: give it a hidden name, and `rename` it when it is whole.
        """
        directory, name = self._parent(path, make=True)
        try:
            return os.open(name, _CREATE, mode, dir_fd=directory)
        finally:
            os.close(directory)

    def write_json(self, path: str, value: Any, *, mode: int = 0o644, sync: bool = False) -> None:
        self.write_bytes(path, encode(value), mode=mode, sync=sync)

    def names(self, path: str = "", *, limit: int = MAX_NAMES) -> list[str]:
        """Names in a directory, sorted, without the hidden ones; the first `limit` that the system gives. Missing is empty."""
        try:
            descriptor = self.open_directory(path)
        except FileNotFoundError:
            return []
        try:
            with os.scandir(descriptor) as entries:
                return sorted(entry.name for entry in itertools.islice(entries, limit) if not is_hidden(entry.name))
        finally:
            os.close(descriptor)

    def exists(self, path: str) -> bool:
        """Whether there is anything of this name, whatever it is; False also behind a link."""
        try:
            directory, name = self._parent(path)
        except (FileNotFoundError, FileRefused):
            return False
        try:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
            return True
        except OSError:
            return False
        finally:
            os.close(directory)

    def rename(self, old: str, new: str) -> bool:
        """Whether this call moved it: of several that try, one does. Both in this root; an existing `new` is replaced."""
        source, old_name = self._parent(old)
        try:
            target, new_name = self._parent(new, make=True)
            try:
                os.rename(old_name, new_name, src_dir_fd=source, dst_dir_fd=target)
                return True
            except FileNotFoundError:
                return False
            finally:
                os.close(target)
        finally:
            os.close(source)

    def remove(self, path: str) -> bool:
        """Removes a name, never what it points to; False where there is none or it is a directory."""
        try:
            directory, name = self._parent(path)
        except FileNotFoundError:
            return False
        try:
            os.unlink(name, dir_fd=directory)
            return True
        except (FileNotFoundError, IsADirectoryError):
            return False
        finally:
            os.close(directory)

    def _parent(self, path: str, *, make: bool = False) -> tuple[int, str]:
        parts = split(path)
        if not parts:
            raise FileRefused(path, "names the directory itself")
        return self.open_directory("/".join(parts[:-1]), make=make), parts[-1]


def _step(descriptor: int, part: str, path: str, make: bool, shared: bool) -> int:
    try:
        return os.open(part, _DIRECTORY, dir_fd=descriptor)
    except FileNotFoundError:
        if not make:
            raise
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        raise FileRefused(path, f"passes through {part!r}, which is a link or no directory") from error
    with contextlib.suppress(FileExistsError):  # another process made it at the same moment
        os.mkdir(part, 0o755, dir_fd=descriptor)
    below = _step(descriptor, part, path, False, shared)
    if shared:
        with contextlib.suppress(PermissionError):  # it is that other process's, of another user
            os.fchmod(below, stat.S_IMODE(os.fstat(below).st_mode) | stat.S_IWGRP)
    return below


def _read_up_to(descriptor: int, limit: int, first: int) -> bytes:
    data = os.read(descriptor, min(limit, first))
    if len(data) < first:
        return data
    chunks = [data]
    total = len(data)
    while total < limit:
        chunk = os.read(descriptor, min(limit - total, 1 << 20))
        if not chunk:
            break
        chunks.append(chunk)
        total += len(chunk)
    return b"".join(chunks)


def _write_new(directory: int, name: str, data: bytes, mode: int, sync: bool) -> None:
    descriptor = os.open(name, _CREATE, mode, dir_fd=directory)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
    except BaseException:
        os.unlink(name, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)
