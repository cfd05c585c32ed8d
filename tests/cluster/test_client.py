"""The client against servers that misbehave. What it does with one that behaves is the contract suite's."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.cluster import (
    ApiError,
    BadRequest,
    Cluster,
    Conflict,
    Gone,
    ResourceType,
    TooLarge,
    Unavailable,
    Warnings,
)

WIDGET = ResourceType("example.com", "v1", "Widget", "widgets")
COLLECTION = "/apis/example.com/v1/namespaces/default/widgets"

Serve = Callable[..., Any]


class Server:
    """Answers each request with the next of `handlers`, the last one over and over; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.handlers: list[Serve] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, await request.read()))
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        response: web.StreamResponse = await handler(request)
        return response


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[ClusterClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    with tempfile.TemporaryDirectory(prefix="sy-") as folder:
        socket = Path(folder) / "api.sock"
        await web.UnixSite(runner, str(socket)).start()
        client = ClusterClient.over_socket(socket)
        yield client
        await client.close()
        await runner.cleanup()


def answer(body: object, status: int = 200) -> Serve:
    async def handler(request: web.Request) -> web.StreamResponse:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(body=text, status=status, content_type="application/json")

    return handler


def stream(*lines: object, cut: bool = False) -> Serve:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in lines:
            await response.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
        if cut:
            hang_up(request)
        return response

    return handler


def hang_up(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def lost(request: web.Request) -> web.StreamResponse:
    hang_up(request)
    return web.Response()


def widget(name: str, **spec: object) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name, "resourceVersion": "5"}, "spec": spec}


def event(type: str, obj: object) -> dict[str, object]:
    return {"type": type, "object": obj}


async def test_a_get_is_asked_again_when_the_connection_is_lost(server: Server, client: ClusterClient) -> None:
    server.handlers = [lost, lost, answer(widget("one"))]
    assert (await client.get(WIDGET, "default", "one"))["metadata"]["name"] == "one"
    assert {asked[:2] for asked in server.asked} == {("GET", f"{COLLECTION}/one")}
    assert len(server.asked) >= 3


async def test_a_get_is_not_asked_for_ever(server: Server, client: ClusterClient) -> None:
    server.handlers = [lost]
    with pytest.raises(Unavailable, match="lost"):
        await client.get(WIDGET, "default", "one")


async def test_a_create_is_never_asked_again(server: Server, client: ClusterClient) -> None:
    server.handlers = [lost]
    with pytest.raises(Unavailable, match="may or may not"):
        await client.create(WIDGET, widget("one"))
    assert len(server.asked) == 1


async def test_nobody_listens(tmp_path: Path) -> None:
    client = ClusterClient.over_socket(tmp_path / "none.sock")
    with pytest.raises(Unavailable, match=r"none\.sock.*is it running"):
        await client.create(WIDGET, widget("one"))
    await client.close()


async def test_a_closed_client(client: ClusterClient) -> None:
    await client.close()
    with pytest.raises(Unavailable, match="closed"):
        await client.get(WIDGET, "default", "one")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"null"])
async def test_answers_that_are_no_objects(server: Server, client: ClusterClient, body: bytes) -> None:
    server.handlers = [answer(body)]
    with pytest.raises(ApiError, match="JSON object"):
        await client.get(WIDGET, "default", "one")


async def test_errors_without_a_status(server: Server, client: ClusterClient) -> None:
    server.handlers = [answer(b"<html>bad gateway</html>", 502)]
    with pytest.raises(Unavailable):
        await client.list(WIDGET)


async def test_errors_with_causes(server: Server, client: ClusterClient) -> None:
    causes = [{"reason": "FieldValueInvalid", "field": "spec.a", "message": "is wrong"}]
    body = {"kind": "Status", "reason": "Conflict", "code": 409, "message": "no", "details": {"causes": causes}}
    server.handlers = [answer(body, 409)]
    with pytest.raises(Conflict) as refused:
        await client.patch(WIDGET, "default", "one", {})
    assert [(cause.field, cause.message) for cause in refused.value.causes] == [("spec.a", "is wrong")]


async def test_what_is_asked(server: Server, client: ClusterClient) -> None:
    server.handlers = [answer(widget("one"))]
    await client.list(WIDGET, "default", labels="a in (b)", fields="metadata.name=x", limit=3, continue_token="a+b/=")
    await client.patch(WIDGET, "default", "one", [], type="json", subresource="status", dry_run=True)
    await client.delete(WIDGET, "default", "one", uid="u", resource_version="7", propagation="Foreground")
    listing = f"{COLLECTION}?labelSelector=a+in+(b)&fieldSelector=metadata.name%3Dx&limit=3&continue=a%2Bb/%3D"
    assert server.asked[0][:2] == ("GET", listing)
    assert server.asked[1][:2] == ("PATCH", f"{COLLECTION}/one/status?dryRun=All")
    options = json.loads(server.asked[2][2])
    assert (options["propagationPolicy"], options["preconditions"]) == ("Foreground", {"uid": "u", "resourceVersion": "7"})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../secrets/x", "a%2fb"])
async def test_names_cannot_leave_their_place(client: ClusterClient, server: Server, name: str) -> None:
    with pytest.raises(BadRequest):
        await client.get(WIDGET, "default", name)
    assert server.asked == []


async def test_a_larger_body_is_not_even_sent(client: ClusterClient, server: Server) -> None:
    with pytest.raises(TooLarge):
        await client.create(WIDGET, widget("one", text="x" * 3_200_000))
    assert server.asked == []


async def test_warnings_reach_the_caller() -> None:
    async def warned(request: web.Request) -> web.StreamResponse:
        response = web.json_response(widget("one"))
        response.headers.add("Warning", '299 - "say \\"please\\""')
        response.headers.add("Warning", '299 kube "old field"')
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", warned)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    warnings = Warnings()
    client = ClusterClient.over_url(f"http://127.0.0.1:{runner.addresses[0][1]}/", warn=warnings.texts.append)
    await client.create(WIDGET, widget("one"))
    assert warnings.texts == ['say "please"', "old field"]
    await client.close()
    await runner.cleanup()


async def watched(client: Cluster) -> list[str]:
    return [event.type async for event in client.watch(WIDGET, "default", resource_version="1", timeout=0.5)]


async def test_a_watch_line_of_megabytes(server: Server, client: ClusterClient) -> None:
    server.handlers = [stream(event("ADDED", widget("one", text="x" * 5_000_000)), event("MODIFIED", widget("one")))]
    assert await watched(client) == ["ADDED", "MODIFIED"]
    assert "timeoutSeconds=1" in server.asked[0][1]


async def test_an_error_event_is_raised(server: Server, client: ClusterClient) -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    server.handlers = [stream(event("ADDED", widget("one")), event("ERROR", status))]
    with pytest.raises(Gone, match="too old"):
        await watched(client)


@pytest.mark.parametrize("line", [b"garbage", b"[]", b'{"type": "ADDED"}', b'{"type": "NEW", "object": {}}'])
async def test_events_that_are_none(server: Server, client: ClusterClient, line: bytes) -> None:
    server.handlers = [stream(line)]
    with pytest.raises(ApiError):
        await watched(client)


async def test_a_watch_that_is_cut_off(server: Server, client: ClusterClient) -> None:
    server.handlers = [stream(event("ADDED", widget("one")), b'{"type": "MODI', cut=True)]
    with pytest.raises((Unavailable, ApiError)):
        await watched(client)


async def test_a_watch_that_is_refused(server: Server, client: ClusterClient) -> None:
    server.handlers = [answer({"kind": "Status", "code": 410, "reason": "Gone"}, 410)]
    with pytest.raises(Gone):
        await watched(client)


async def test_closing_a_watch_ends_its_connection(server: Server, client: ClusterClient) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(json.dumps(event("ADDED", widget("one"))).encode() + b"\n")
        try:
            while True:
                await response.write(json.dumps(event("MODIFIED", widget("one"))).encode() + b"\n")
                await asyncio.sleep(0.01)
        except ConnectionError:
            ended.set()
            raise

    server.handlers = [endless]
    events = client.watch(WIDGET, "default", resource_version="1")
    await anext(events)
    await events.aclose()
    async with asyncio.timeout(5):
        await ended.wait()
