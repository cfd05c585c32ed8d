"""The way out of sidecars: what is listed is reached by tunnel and by plain HTTP, and nothing else is, whatever a request looks like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sympozium_core.bridge import egress_proxy
from sympozium_core.bridge.connections import MAX_CONNECTIONS
from sympozium_core.bridge.egress_proxy import EgressProxy
from sympozium_core.contracts.plan import EgressRule
from sympozium_core.ipc import layout
from sympozium_core.ipc.files import Root

HERE = ("127.0.0.1/32",)


@asynccontextmanager
async def proxy(folder: Path, *rules: EgressRule) -> AsyncIterator[EgressProxy]:
    with Root(folder) as volume:
        served = EgressProxy(rules)
        await served.listen(volume)
        try:
            yield served
        finally:
            await served.close()


@asynccontextmanager
async def site() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers each connection with what it got up to its first empty line, in capitals, and then with whatever comes until its end."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(heads[-1].upper())
        while data := await reader.read(1000):
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], heads


async def said(folder: Path, *data: bytes) -> bytes:
    """All that comes back when one thing after the other has been sent, and the end."""
    reader, writer = await asyncio.open_unix_connection(folder / layout.EGRESS_SOCKET)
    try:
        for each in data:
            writer.write(each)
            await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_a_tunnel_to_a_name_goes_to_the_address_of_the_plan(tmp_path: Path) -> None:
    async with site() as (port, _), proxy(tmp_path, EgressRule("repo.example.com", HERE, port)):
        connect = f"CONNECT Repo.Example.com:{port} HTTP/1.1\r\nhost: x\r\n\r\n".encode()
        answer = await said(tmp_path, connect, b"hello\r\n\r\n", b"and more" * 50_000)
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 Connection established"
        assert rest == b"HELLO\r\n\r\n" + b"AND MORE" * 50_000


async def test_plain_http_is_asked_as_the_site_expects_it(tmp_path: Path) -> None:
    async with site() as (port, heads), proxy(tmp_path, EgressRule("127.0.0.0/8", ("127.0.0.0/8",))):
        head = f"POST http://127.0.0.1:{port}/a/b?c=d HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nproxy-connection: keep-alive\r\ncontent-length: 4\r\n\r\nbody"
        assert (await said(tmp_path, head.encode())).endswith(b"\r\n\r\nBODY")
        expected = f"POST /a/b?c=d HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 4\r\nconnection: close\r\n\r\n"
        assert heads == [expected.encode()]


@pytest.mark.parametrize(
    "target",
    [
        "other.example.com:{port}",
        "127.0.0.2:{port}",
        "[::1]:{port}",
        "repo.example.com:1",
        "repo.example.com.:{port}",
        "2130706433:{port}",
    ],
)
async def test_what_is_not_listed_is_refused_before_anything_is_connected(tmp_path: Path, target: str) -> None:
    async with site() as (port, heads), proxy(tmp_path, EgressRule("repo.example.com", HERE, port)):
        answer = (await said(tmp_path, f"CONNECT {target.format(port=port)} HTTP/1.1\r\n\r\n".encode())).decode()
        assert answer.startswith("HTTP/1.1 403 Forbidden\r\n")
        assert "\r\nproxy-status: sympozium; error=http_request_denied\r\n" in answer
        assert answer.endswith("in networkPolicy.allowedEgress\n")
        assert heads == []


@pytest.mark.parametrize(
    "request_line",
    [
        *("GET / HTTP/1.1", "GET https://repo.example.com/ HTTP/1.1", "GET ftp://repo.example.com/ HTTP/1.1", "CONNECT repo.example.com HTTP/1.1"),
        *("CONNECT repo.example.com:99999 HTTP/1.1", "CONNECT :80 HTTP/1.1", "CONNECT repo.example.com:80", "\x00\xff", "GET http://[/ HTTP/1.1", ""),
    ],
)  # fmt: skip
async def test_what_no_client_of_a_proxy_says(tmp_path: Path, request_line: str) -> None:
    async with proxy(tmp_path, EgressRule("repo.example.com", HERE)):
        assert (await said(tmp_path, request_line.encode("latin-1") + b"\r\n\r\n")).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_head_without_an_end_is_cut_off(tmp_path: Path) -> None:
    async with proxy(tmp_path, EgressRule("repo.example.com", HERE)):
        assert (await said(tmp_path, b"GET " + b"a" * (egress_proxy.MAX_HEAD * 2))).startswith(b"HTTP/1.1 400")


async def test_a_destination_that_is_away(tmp_path: Path) -> None:
    async with site() as (port, _):
        gone = port
    async with proxy(tmp_path, EgressRule("repo.example.com", HERE)):
        answer = (await said(tmp_path, f"CONNECT repo.example.com:{gone} HTTP/1.1\r\n\r\n".encode())).decode()
        assert answer.startswith("HTTP/1.1 502 Bad Gateway\r\n")
        assert "cannot be connected to: " in answer


async def test_its_end_ends_every_connection(tmp_path: Path) -> None:
    async with site() as (port, _):
        async with proxy(tmp_path, EgressRule("127.0.0.1", HERE, port)):
            reader, writer = await asyncio.open_unix_connection(tmp_path / layout.EGRESS_SOCKET)
            writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        async with asyncio.timeout(20):
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
        writer.close()


async def test_no_more_connections_than_are_good_for_the_bridge(tmp_path: Path) -> None:
    async with proxy(tmp_path, EgressRule("127.0.0.1", HERE)):
        opened = [await asyncio.open_unix_connection(tmp_path / layout.EGRESS_SOCKET) for _ in range(MAX_CONNECTIONS + 1)]
        async with asyncio.timeout(20):
            assert await opened[-1][0].read() == b""
        for _, writer in opened:
            writer.close()
