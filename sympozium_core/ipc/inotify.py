"""The kernel's file notifications (inotify(7)) through ctypes: the standard library has no binding.

Directories are watched by descriptor (``/proc/self/fd/N``), not by path, so that a path swapped for a link is never followed.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

CLOSE_WRITE = 0x00000008
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000
IS_DIRECTORY = 0x40000000
GONE = DELETE_SELF | MOVE_SELF | IGNORED

_MASK = CLOSE_WRITE | MOVED_TO | CREATE | DELETE_SELF | MOVE_SELF | ONLYDIR
_HEADER = struct.Struct("iIII")
_BUFFER = 64 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One inotify instance. Raises OSError where the kernel has none left or none at all."""

    def __init__(self) -> None:
        try:
            self.descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        except AttributeError as error:
            raise OSError("this C library has no inotify") from error
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def add(self, directory: int) -> int:
        """Watches the directory behind a descriptor; returns the watch's number, the same for the same directory."""
        number: int = _libc.inotify_add_watch(self.descriptor, f"/proc/self/fd/{directory}".encode(), _MASK)
        if number < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")
        return number

    def remove(self, number: int) -> None:
        _libc.inotify_rm_watch(self.descriptor, number)

    def read(self) -> Iterator[tuple[int, int, str]]:
        """What has happened, without waiting, as (watch, mask, name); at most one buffer, some 2,000 events."""
        try:
            data = os.read(self.descriptor, _BUFFER)
        except BlockingIOError:
            return
        position = 0
        while position < len(data):
            number, mask, _, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size
            yield number, mask, os.fsdecode(data[position : position + length].rstrip(b"\0"))
            position += length

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
