"""HTTP/1.1 for a hostile client on the same machine: h11 for the protocol, asyncio for the bytes, a bound and a time limit for everything.

One request at a time a connection; what is pipelined waits in the kernel. When the client goes away the handler is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h11

from sympozium_core.bridge.connections import Connections

READ_BYTES = 32 * 1024
MAX_HEADER = 32 * 1024
IDLE_SECONDS = 300.0
"""How long a connection may stay open between two requests."""
REQUEST_SECONDS = 30.0
"""How long a request may take from its first byte to its last."""
WRITE_SECONDS = 60.0
"""How long the client may leave what was sent unread."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HttpRequest:
    method: str
    path: str
    """Without the query."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case; of several with one name, the last."""
    body: bytes


class _TooLarge(Exception):
    pass


class HttpResponse:
    """What a handler answers with: `send` once, or `begin_with`, any number of `write`, `finish`. What one call says goes out at once."""

    def __init__(self, connection: h11.Connection, writer: asyncio.StreamWriter) -> None:
        self._connection = connection
        self._writer = writer
        self._head: h11.Response | None = None
        self.started = self.finished = False

    async def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.begin_with(status, {**headers, "content-length": str(len(body))})
        await self.finish(body)

    def begin_with(self, status: int, headers: Mapping[str, str]) -> None:
        """What the first `write` or `finish` begins with; until then another answer may take its place."""
        self._head = h11.Response(status_code=status, headers=list(headers.items()))

    async def write(self, data: bytes) -> None:
        await self._flush(self._begin() + self._data(data))

    async def finish(self, data: bytes = b"") -> None:
        """With the last of the body."""
        self.finished = True
        await self._flush(self._begin() + self._data(data) + (self._connection.send(h11.EndOfMessage()) or b""))

    def _begin(self) -> bytes:
        if self.started or self._head is None:
            return b""
        self.started = True
        return self._connection.send(self._head) or b""

    def _data(self, data: bytes) -> bytes:
        return (self._connection.send(h11.Data(data=data)) or b"") if data else b""

    async def _flush(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            async with asyncio.timeout(WRITE_SECONDS):
                await self._writer.drain()


Handler = Callable[[HttpRequest, HttpResponse], Awaitable[None]]


class HttpServer:
    """Serves `handler` until `close`; a handler's exception ends its connection and nothing else."""

    def __init__(self, handler: Handler, *, max_body: int) -> None:
        self._handler = handler
        self._max_body = max_body
        self._server: asyncio.Server | None = None
        self._connections = Connections()

    async def listen_tcp(self, host: str, port: int) -> int:
        """Returns the port, which the system chooses when it is 0."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=READ_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def listen_unix(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._accept, path, limit=READ_BYTES)

    async def close(self) -> None:
        """Ends every connection at once."""
        if self._server is not None:
            self._server.close()
        await self._connections.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._connections.one(writer) as taken:
            if taken:
                await self._served(reader, writer)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (OSError, TimeoutError, h11.RemoteProtocolError, h11.LocalProtocolError) as error:
            logger.debug("connection ended: %s", error)
        except asyncio.CancelledError:
            pass  # only `close` cancels; the stream's own callback would log it as a failure
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER)
        while True:
            response = HttpResponse(connection, writer)
            try:
                request = await self._read(connection, reader, writer)
            except _TooLarge:
                await _refuse(response, 413, f"the body is longer than {self._max_body} bytes")
                return
            except h11.RemoteProtocolError as error:
                if connection.our_state is h11.SEND_RESPONSE or connection.our_state is h11.IDLE:
                    await _refuse(response, error.error_status_hint, "this is not an HTTP/1.1 request that is served here")
                return
            if request is None or not await self._handle(request, response, connection, reader):
                return
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _read(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> HttpRequest | None:
        """The next request; None when the client has closed or let its time pass."""
        head: h11.Request | None = None
        body = bytearray()
        limit = asyncio.timeout(IDLE_SECONDS)
        with suppress(TimeoutError):
            async with limit:
                while True:
                    event = connection.next_event()
                    if event is h11.NEED_DATA:
                        if connection.they_are_waiting_for_100_continue:
                            writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                        idle = head is None and not connection.trailing_data[0]
                        data = await reader.read(READ_BYTES)
                        connection.receive_data(data)
                        if idle and data:
                            limit.reschedule(asyncio.get_running_loop().time() + REQUEST_SECONDS)
                    elif isinstance(event, h11.Request):
                        head = event
                        _check_length(event, self._max_body)
                    elif isinstance(event, h11.Data):
                        body += event.data
                        if len(body) > self._max_body:
                            raise _TooLarge
                    elif isinstance(event, h11.EndOfMessage) and head is not None:
                        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                        path, _, query = head.target.decode("latin-1").partition("?")
                        return HttpRequest(head.method.decode("latin-1"), path, query, headers, bytes(body))
                    else:
                        return None
        return None

    async def _handle(
        self, request: HttpRequest, response: HttpResponse, connection: h11.Connection, reader: asyncio.StreamReader
    ) -> bool:
        """Whether the connection may go on."""
        work = asyncio.ensure_future(self._handler(request, response))
        gone = asyncio.ensure_future(_gone(connection, reader))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and gone.result():
                return False
            await work
        except (OSError, TimeoutError, h11.LocalProtocolError):
            return False
        except Exception:
            logger.exception("a request failed")
            if not response.started:
                await _refuse(response, 500, "the bridge failed; its log says why")
            return False
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(gone, work, return_exceptions=True)
        return True


async def _gone(connection: h11.Connection, reader: asyncio.StreamReader) -> bool:
    """True when the client closes; False when it sends its next request early, after which nobody reads until its turn comes."""
    try:
        data = await reader.read(READ_BYTES)
    except OSError:
        return True
    if data:
        connection.receive_data(data)
    return not data


async def _refuse(response: HttpResponse, status: int, message: str) -> None:
    body = b'{"error": {"message": "%s", "type": "invalid_request_error", "param": null, "code": null}}' % message.encode()
    await response.send(status, {"content-type": "application/json", "connection": "close"}, body)


def _check_length(head: h11.Request, limit: int) -> None:
    for name, value in head.headers:
        if name == b"content-length" and int(value) > limit:
            raise _TooLarge
