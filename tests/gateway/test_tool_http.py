"""HTTP to MCP servers: what goes along, what comes back, and where nothing goes. The servers are hostile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from sympozium_core.address_guard import Guard
from sympozium_core.errors import Permanent, SympoziumError, Temporary
from sympozium_core.gateway import tool_http
from sympozium_core.gateway.exchange import AT_ONCE_OF_ONE, Exchanges
from sympozium_core.gateway.tool_host import Place, RunToolHost, ToolHost
from sympozium_core.gateway.tool_http import ToolConnections, address
from tests.gateway.web import Server, answer

HERE = Guard(loopback="open")


def redirect(location: str) -> bytes:
    return answer(status="307 Temporary Redirect", location=location, connection="close")


async def nowhere(host: str) -> tuple[str, ...]:
    return ("127.0.0.1",) if host == "inside.example" else ()


@pytest.fixture
async def connections() -> AsyncIterator[ToolConnections]:
    made = ToolConnections(nowhere)
    yield made
    await made.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


def host(server: Server, path: str = "/mcp", **headers: str) -> ToolHost:
    return ToolHost("calc", Place(f"http://127.0.0.1:{server.port}{path}", HERE), headers)


async def whole(
    connections: ToolConnections, to: ToolHost, path: str = "/mcp", **asked: Any
) -> tuple[int, dict[str, str], bytes]:
    method, headers = asked.get("method", "POST"), asked.get("headers", {})
    async with connections.exchange(to, method, path, headers, asked.get("body", b"{}")) as found:
        return found.status, dict(found.headers), b"".join([piece async for piece in found.pieces()])


async def test_what_passes_and_what_is_added(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = answer("{}", kind="application/json", Mcp_Session_Id="s1", Set_Cookie="a=b", Server="x")
    given = {
        "accept": "application/json",
        "mcp-session-id": "s0",
        "cookie": "c=d",
        "authorization": "mine",
        "x-forwarded-for": "1",
    }
    status, headers, body = await whole(connections, host(server, Authorization="Bearer secret"), headers=given)
    assert (status, body) == (200, b"{}")
    assert headers == {"content-type": "application/json", "mcp-session-id": "s1"}
    (seen,) = server.asked
    assert (seen.headers["authorization"], seen.headers["mcp-session-id"]) == ("Bearer secret", "s0")
    assert not {"cookie", "x-forwarded-for"} & seen.headers.keys()


async def test_cookies_are_not_kept(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = answer("{}", kind="application/json", Set_Cookie="a=b", Connection="close")
    for _ in range(2):
        await whole(connections, host(server))
    assert all("cookie" not in seen.headers for seen in server.asked)


async def test_the_query_of_the_address_is_the_gateways(connections: ToolConnections, server: Server) -> None:
    for path in ("/mcp", "/messages"):
        server.pages[path] = lambda seen: answer(seen.target, Connection="close")
    to = host(server, "/mcp?key=hidden")
    assert (await whole(connections, to))[2] == b"/mcp?key=hidden"
    assert (await whole(connections, to, "/messages?session=1"))[2] == b"/messages?session=1"


@pytest.mark.parametrize("path", ["mcp", "//", "http://other.example/", "/a b", "/a\r\nX: y", ""])
def test_paths_stay_with_the_server(path: str) -> None:
    try:
        found = address("https://mcp.example.com/mcp", path)
    except Permanent:
        return
    assert str(found.origin()) == "https://mcp.example.com"


async def test_redirects_are_followed_to_the_same_server_alone(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = redirect("/mcp/")
    server.pages["/mcp/"] = answer("there")
    assert (await whole(connections, host(server, Authorization="x"), body=b"hello"))[2] == b"there"
    assert [(seen.method, seen.body) for seen in server.asked] == [("POST", b"hello")] * 2
    async with Server() as other:
        other.pages["/"] = answer("thanks for the token")
        server.pages["/mcp"] = redirect(f"http://127.0.0.1:{other.port}/")
        with pytest.raises(Permanent, match="redirects to another address"):
            await whole(connections, host(server, Authorization="x"))
        assert not other.asked
    server.pages["/mcp"] = redirect("/mcp")
    with pytest.raises(Permanent, match="redirects more than"):
        await whole(connections, host(server))


async def test_an_address_that_is_not_open_is_not_asked(connections: ToolConnections, server: Server) -> None:
    for name in ("127.0.0.1", "inside.example", "169.254.169.254"):
        to = ToolHost("calc", Place(f"http://{name}:{server.port}/mcp", Guard()), {"Authorization": "secret"})
        with pytest.raises(Permanent, match="is not asked"):
            await whole(connections, to)
    assert server.connections == 0


async def test_what_is_compressed_is_refused(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = answer(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(Permanent, match="compresses"):
        await whole(connections, host(server))


async def test_an_answer_without_end_is_broken_off(
    connections: ToolConnections, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_http, "MAX_ANSWER", 1000)
    server.pages["/mcp"] = answer(b"x" * 5000)
    with pytest.raises(Permanent, match="more than 1000 bytes"):
        await whole(connections, host(server))


@pytest.mark.parametrize(
    ("page", "because"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "does not answer in HTTP|broke off"),
        (b"", "broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "broke off"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n", "does not answer in HTTP|broke off"),
    ],
)
async def test_what_is_no_answer(connections: ToolConnections, server: Server, page: bytes, because: str) -> None:
    server.pages["/mcp"] = page
    with pytest.raises(SympoziumError, match=because) as said:
        await whole(connections, host(server, Authorization="hidden-word"))
    assert "hidden-word" not in str(said.value)


async def test_a_secret_with_a_line_break_is_not_sent(connections: ToolConnections, server: Server) -> None:
    with pytest.raises(Permanent, match="a header for MCP server calc cannot be sent") as said:
        await whole(connections, host(server, Authorization="one\r\nX-Evil: two"))
    assert "X-Evil" not in str(said.value)
    assert not server.asked


def exchanges(connections: ToolConnections, to: ToolHost, attempt: int = 1, deadline: float = 1e10) -> Exchanges:
    async def find(uid: str, attempt_asked: int, name: str) -> RunToolHost:
        assert (uid, name) == ("run-1", "calc")
        return RunToolHost(to, attempt, deadline)

    return Exchanges(find, connections)


def asked(**fields: Any) -> bytes:
    head = {"attempt": 1, "server": "calc", "method": "POST", "path": "/mcp", "headers": {}, **fields}
    return json.dumps(head).encode() + b"\n{}"


async def test_an_exchange_of_a_run(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = answer("hello")
    items = [item async for item in exchanges(connections, host(server)).answer("run-1", asked(), 1e10)]
    assert json.loads(items[0])["status"] == 200
    assert b"".join(items[1:]) == b"hello"


@pytest.mark.parametrize(
    ("data", "because"),
    [
        (b"", "an exchange is"),
        (b"[]\n", "an exchange is"),
        (b"{" * 100_000, "an exchange is"),
        (asked(method="CONNECT"), "a method of MCP"),
        (asked(headers={str(n): "x" for n in range(100)}), "few headers"),
        (asked(headers={"a": 1}), "few headers"),
        (asked(attempt=0), "attempt 0 of the run is over"),
    ],
)
async def test_what_is_no_exchange(connections: ToolConnections, server: Server, data: bytes, because: str) -> None:
    with pytest.raises(Permanent, match=because):
        async for _ in exchanges(connections, host(server)).answer("run-1", data, 1e10):
            pass
    assert not server.asked


async def test_a_run_has_so_many_at_once(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = None
    made = exchanges(connections, host(server))

    async def one() -> None:
        async with aclosing(made.answer("run-1", asked(), 1e10)) as items:  # type: ignore[type-var]
            async for _ in items:
                pass

    waiting = [asyncio.create_task(one()) for _ in range(AT_ONCE_OF_ONE)]
    end = time.monotonic() + 20
    while len(server.asked) < AT_ONCE_OF_ONE:
        assert time.monotonic() < end, "not all of them have come"
        await asyncio.sleep(0)
    with pytest.raises(Temporary, match="are under way for this run already"):
        await one()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    server.pages["/mcp"] = answer("again")
    await one()


async def test_a_run_that_is_over_asks_no_longer(connections: ToolConnections, server: Server) -> None:
    server.pages["/mcp"] = None
    with pytest.raises(Temporary, match="did not answer in time"):
        async for _ in exchanges(connections, host(server), deadline=1.0).answer("run-1", asked(), 1e10):
            pass
