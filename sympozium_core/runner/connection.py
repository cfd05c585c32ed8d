"""One HTTP/1.1 connection to the model endpoint on a plain socket, kept between turns.

`http.client` is not used because it imports `ssl` and `email`: 15 ms and 6 MiB that a runner pays at every start, and it cannot be woken
by a cancel. The endpoint is the bridge on this machine, so there is no TLS, no proxy and no redirect to follow.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator

from sympozium_core.runner.stop import Stop

IDLE = 120.0
"""Seconds without a byte after which a connection counts as lost; the bridge sends a comment line more often."""
MAX_HEAD = 64 * 1024
MAX_LINE = 8 * 1024


class ConnectionLost(Exception):
    """The endpoint cannot be reached, or went away in the middle."""


class NotHttp(Exception):
    """What came back is not HTTP/1.1."""


class Address:
    """Host, port and path of ``http://host:port/v1``; a Unix socket instead where the bridge has made one."""

    def __init__(self, base_url: str, unix: str = "") -> None:
        authority, _, path = base_url.removeprefix("http://").partition("/")
        host, _, port = authority.rpartition(":") if authority[-1:] != "]" and ":" in authority else (authority, "", "80")
        if not host or not port.isdigit() or any(ord(c) <= 32 or ord(c) > 126 for c in base_url):
            raise ValueError(f"the model's address {base_url!r} is not of the form http://host:port/path")
        self.host = host.strip("[]")
        self.port = int(port)
        self.authority = authority
        self.path = "/" + path.strip("/") if path.strip("/") else ""
        self.unix = unix if unix and _is_socket(unix) else ""


class Connection:
    """Sends requests one after another. Not for several threads."""

    def __init__(self, address: Address, stop: Stop) -> None:
        self._address = address
        self._stop = stop
        self._socket: socket.socket | None = None
        self._buffer = b""

    def post(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Iterator[bytes]]:
        """Status, headers (names in lower case) and the pieces of the body as they come.

        The connection is kept if the body is read to its end. Raises ConnectionLost, NotHttp or Stopped, also out of the iterator.
        """
        head = [f"POST {self._address.path}{path} HTTP/1.1", f"Host: {self._address.authority}", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        data = "\r\n".join(head).encode("ascii") + b"\r\n\r\n" + body
        fresh = self._socket is None
        try:
            return self._exchange(data)
        except ConnectionLost:
            self.close()
            if fresh:
                raise
        # A kept connection may have been closed by the other side while it was idle: once more on a new one.
        return self._exchange(data)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""

    def _exchange(self, data: bytes) -> tuple[int, dict[str, str], Iterator[bytes]]:
        try:
            if self._socket is None:
                self._socket = self._open()
            self._send(data)
            status, headers = self._read_head()
            while 100 <= status < 200:
                status, headers = self._read_head()
        except OSError as error:
            raise ConnectionLost(f"the model endpoint cannot be reached: {error.strerror or type(error).__name__}") from error
        return status, headers, self._body(headers)

    def _open(self) -> socket.socket:
        if self._address.unix:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target: str | tuple[str, int] = self._address.unix
        else:
            family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            target = (self._address.host, self._address.port)
        try:
            connection.settimeout(max(0.001, self._stop.remaining(10.0)))
            connection.connect(target)
            connection.setblocking(False)
        except BaseException:
            connection.close()
            raise
        return connection

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        view = memoryview(data)
        while view:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                if not self._stop.wait_readable(self._socket.fileno(), IDLE, write=True):
                    raise ConnectionLost("the model endpoint does not take the request") from None

    def _receive(self) -> bytes:
        """The next bytes; empty at the end."""
        assert self._socket is not None
        while True:
            if not self._stop.wait_readable(self._socket.fileno(), IDLE):
                raise ConnectionLost(f"the model endpoint was silent for {IDLE:.0f} s")
            try:
                return self._socket.recv(65_536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise ConnectionLost(f"the connection to the model endpoint broke: {error.strerror}") from error

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise ConnectionLost("the model endpoint closed the connection in the middle of an answer")
        self._buffer += data

    def _read_head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise NotHttp("the model endpoint's headers are too long")
            self._more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise NotHttp("the model endpoint does not speak HTTP/1.1")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if version == "HTTP/1.0":
            headers.setdefault("connection", "close")
        return int(rest[:3]), headers

    def _body(self, headers: dict[str, str]) -> Iterator[bytes]:
        complete = False
        try:
            if "chunked" in headers.get("transfer-encoding", "").lower():
                yield from self._chunks()
            elif "content-length" in headers:
                yield from self._counted(headers["content-length"])
            else:
                headers["connection"] = "close"
                yield from self._until_closed()
            complete = headers.get("connection", "").lower() != "close"
        finally:
            if not complete:
                self.close()

    def _counted(self, length: str) -> Iterator[bytes]:
        if not length.isdigit():
            raise NotHttp("the model endpoint's Content-Length is no number")
        left = int(length)
        while left:
            if not self._buffer:
                self._more()
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece

    def _until_closed(self) -> Iterator[bytes]:
        piece, self._buffer = self._buffer, b""
        while True:
            if piece:
                yield piece
            piece = self._receive()
            if not piece:
                return

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size_text = self._line().split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError as error:
                raise NotHttp("the model endpoint's chunk has no size") from error
            if size == 0:
                while self._line():
                    pass
                return
            yield from self._counted(str(size))
            if self._line():
                raise NotHttp("the model endpoint's chunk is longer than its size")

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE:
                raise NotHttp("the model endpoint's chunk header is too long")
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path, follow_symlinks=False).st_mode)
    except OSError:
        return False
