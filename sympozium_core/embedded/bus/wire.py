"""The protocol between `remote` and `server`: frames over a Unix socket, each a JSON header and bytes. Standard library only.

A frame is two big-endian 32-bit lengths, the header, the data. From the client: ``hello`` first, then ``append``, ``publish``,
``subscribe``, ``unsubscribe``. From the server: ``welcome`` or ``error``, then ``ack`` and ``error`` by `id`, ``message`` by `sid`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

VERSION = 1
SCHEME = "unix://"
MAX_HEADER = 64 * 1024
_LENGTHS = struct.Struct(">II")
_LONGEST_PATH = 100
"""`sun_path` holds 108 bytes."""


class WireError(Exception):
    """The other side does not speak this protocol, or went beyond its bounds."""


def encode(header: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(data)) + text + data


async def read_frame(reader: asyncio.StreamReader, max_data: int) -> tuple[dict[str, Any], bytes]:
    """The next frame. Raises WireError, and asyncio.IncompleteReadError or ConnectionError at the end of the connection."""
    header_size, data_size = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    if header_size > MAX_HEADER or data_size > max_data:
        raise WireError(f"a frame of {header_size} + {data_size} bytes is longer than {MAX_HEADER} + {max_data}")
    body = await reader.readexactly(header_size + data_size)
    try:
        header = json.loads(body[:header_size])
    except (ValueError, RecursionError) as error:
        raise WireError("a frame's header is not JSON") from error
    if not isinstance(header, dict) or not isinstance(header.get("op"), str):
        raise WireError("a frame's header is not an object with an op")
    return header, body[header_size:]


def text(header: dict[str, Any], name: str) -> str:
    value = header.get(name, "")
    if not isinstance(value, str):
        raise WireError(f"{name} is not a string")
    return value


def whole(header: dict[str, Any], name: str) -> int:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise WireError(f"{name} is not a whole number")
    return value


def texts(header: dict[str, Any], name: str) -> dict[str, str]:
    value = header.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise WireError(f"{name} is not an object of strings")
    return value


def bus_address(path: str | os.PathLike[str]) -> str:
    """The address of the bus that serves on this socket, as it stands in a bridge's credential."""
    return SCHEME + os.path.abspath(path)


def socket_path(address: str) -> str:
    if not address.startswith(SCHEME + "/"):
        raise ValueError(f"{address!r} is not the address of a Unix socket; it begins with {SCHEME}/")
    return address[len(SCHEME) :]


@contextmanager
def short_path(path: str) -> Iterator[str]:
    """The path of a socket in a form that is short enough to bind or connect, through its folder's descriptor when it is long."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)


def listening_socket(path: str) -> socket.socket:
    """A socket that only this user may connect to; replaces one that a dead server left."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if os.path.exists(path):
            os.unlink(path)
        os.fchmod(listener.fileno(), 0o600)  # before bind, so that it is never open to others
        with short_path(path) as short:
            listener.bind(short)
        os.chmod(path, 0o600)
        listener.listen(512)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
