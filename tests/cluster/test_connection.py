"""What is asked again and what is not, how many requests go at once, and what is asked beyond the port."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from sympozium_core.cluster import connection
from sympozium_core.cluster.client import ClusterClient
from sympozium_core.contracts.builtin_kinds import CONFIG_MAP, POD, SERVICE_ACCOUNT
from sympozium_core.contracts.cluster import BadRequest, Conflict, TooLarge, Unauthorized, Unavailable

MAP = {"metadata": {"name": "one", "namespace": "default"}, "data": {"a": "b"}}
WRITES: dict[str, Callable[[ClusterClient], Awaitable[Any]]] = {
    "POST": lambda client: client.create(CONFIG_MAP, MAP),
    "PUT": lambda client: client.replace(CONFIG_MAP, MAP),
    "PATCH": lambda client: client.patch(CONFIG_MAP, "default", "one", {"data": {}}),
    "DELETE": lambda client: client.delete(CONFIG_MAP, "default", "one"),
    "GET": lambda client: client.get(CONFIG_MAP, "default", "one"),
}
EACH_METHOD = pytest.mark.parametrize("method", WRITES)


@pytest.fixture
async def client(kubeconfig: Any) -> AsyncIterator[ClusterClient]:
    client = ClusterClient.from_kubeconfig(kubeconfig({"token": "t"}))
    yield client
    await client.close()


def busy(times: int, after: str | None) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Says 429 so many times, then takes what comes."""
    left = times

    async def handler(request: web.Request) -> web.Response:
        nonlocal left
        if left:
            left -= 1
            body = {"kind": "Status", "code": 429, "reason": "TooManyRequests", "message": "wait"}
            return web.json_response(body, status=429, headers={} if after is None else {"Retry-After": after})
        return web.json_response(MAP)

    return handler


@EACH_METHOD
async def test_a_server_that_is_busy_is_asked_again_when_it_says(client: ClusterClient, door: Any, method: str) -> None:
    door.handler = busy(2, "0")
    assert (await WRITES[method](client))["metadata"]["name"] == "one"
    assert [caller["method"] for caller in door.seen] == [method] * 3


async def test_it_waits_as_long_as_it_is_told(client: ClusterClient, door: Any) -> None:
    door.handler = busy(1, "1")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await client.create(CONFIG_MAP, MAP)
    assert loop.time() - began >= 1


@pytest.mark.parametrize("after", [None, "Wed, 21 Oct 2026 07:28:00 GMT", "61", "-1", "99999999999"])
async def test_it_does_not_wait_without_being_told_or_for_too_long(client: ClusterClient, door: Any, after: str | None) -> None:
    door.handler = busy(9, after)
    with pytest.raises(Unavailable, match="wait"):
        await client.create(CONFIG_MAP, MAP)
    assert len(door.seen) == 1


async def test_a_watch_waits_too(client: ClusterClient, door: Any) -> None:
    door.handler = busy(1, "0")
    assert [line async for line in client.stream_lines("/lines")] == []
    assert len(door.seen) == 2


async def test_requests_at_once_are_bounded(client: ClusterClient, door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    going = most = 0
    full = asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        nonlocal going, most
        going += 1
        most = max(most, going)
        if going == connection.REQUESTS:
            full.set()
        await full.wait()
        await asyncio.sleep(0.05)
        going -= 1
        return web.json_response(MAP)

    door.handler = slow
    await asyncio.gather(*(client.get(CONFIG_MAP, "default", "one") for _ in range(2 * connection.REQUESTS)))
    assert most == connection.REQUESTS


async def test_a_large_body_arrives_whole(client: ClusterClient, door: Any) -> None:
    async def count(request: web.Request) -> web.Response:
        return web.json_response({"metadata": {}, "size": len(await request.read())})

    door.handler = count
    text = "x" * 1_000_000
    sent = await client.create(CONFIG_MAP, MAP | {"data": {"a": text, "b": text}})
    assert sent["size"] > 2_000_000
    with pytest.raises(TooLarge):
        await client.create(CONFIG_MAP, MAP | {"data": {"a": 4 * text}})


async def test_a_server_that_says_nothing(client: ClusterClient, door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    door.handler = silent
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await client.get(CONFIG_MAP, "default", "one")
    assert len(door.seen) == 1, "what took too long once is not asked four times"


async def test_a_stream_may_be_quiet_for_longer_than_a_request(
    client: ClusterClient, door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(0.6)
        await response.write(b"late\n")
        return response

    door.handler = late
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    assert [line async for line in client.stream_lines("/lines")] == [b"late"]


async def test_an_answer_of_401_to_a_write_is_repeated_with_other_credentials(
    kubeconfig: Any, door: Any, tmp_path: Any
) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    client = ClusterClient.from_kubeconfig(kubeconfig({"tokenFile": str(token)}))
    await client.get_path("/")
    token.write_text("new")
    door.takes = lambda caller: caller["authorization"] == "Bearer new"
    door.handler = busy(0, None)
    await client.create(CONFIG_MAP, MAP)
    assert [caller["authorization"] for caller in door.seen[1:]] == ["Bearer old", "Bearer new"]
    door.takes = lambda caller: False
    with pytest.raises(Unauthorized):
        await client.create(CONFIG_MAP, MAP)
    await client.close()


async def test_server_side_apply(client: ClusterClient, door: Any) -> None:
    seen: list[tuple[str, str, dict[str, str], Any]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, dict(request.query), await request.json()))
        if "force" not in request.query:
            cause = {"reason": "FieldManagerConflict", "field": ".data.a", "message": 'conflict with "other"'}
            body = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "no", "details": {"causes": [cause]}}
            return web.json_response(body, status=409)
        assert request.content_type == "application/apply-patch+yaml"
        return web.json_response(MAP)

    door.handler = handler
    with pytest.raises(Conflict) as refused:
        await client.apply(CONFIG_MAP, MAP, field_manager="me")
    assert [cause.field for cause in refused.value.causes] == [".data.a"]
    await client.apply(CONFIG_MAP, MAP, field_manager="me", force=True, dry_run=True)
    method, path, query, body = seen[1]
    assert (method, path) == ("PATCH", "/api/v1/namespaces/default/configmaps/one")
    assert query == {"fieldManager": "me", "force": "true", "dryRun": "All"}
    assert (body["apiVersion"], body["kind"], body["data"]) == ("v1", "ConfigMap", {"a": "b"})


@pytest.mark.parametrize(
    ("kind", "subresource", "path"),
    [
        (SERVICE_ACCOUNT, "token", "/api/v1/namespaces/default/serviceaccounts/one/token"),
        (POD, "eviction", "/api/v1/namespaces/default/pods/one/eviction"),
    ],
)
async def test_subresources(client: ClusterClient, door: Any, kind: Any, subresource: str, path: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, "body": await request.json()})

    door.handler = handler
    found = await client.create_subresource(kind, "default", "one", subresource, {"spec": {}})
    assert found == {"path": path, "body": {"spec": {}}}


async def test_others_on_the_same_connection(client: ClusterClient, door: Any) -> None:
    jane = client.impersonating("jane", ["dev", "ops"], uid="7", extra={"scope": ["a"]})
    joe = jane.impersonating("joe")
    for each in (client, jane, joe):
        await each.get_path("/")
    assert [caller["impersonate"] for caller in door.seen] == [
        [],
        [
            ("Impersonate-User", "jane"), ("Impersonate-Group", "dev"), ("Impersonate-Group", "ops"),
            ("Impersonate-Uid", "7"), ("Impersonate-Extra-scope", "a"),
        ],
        [("Impersonate-User", "joe")],
    ]  # fmt: skip
    await jane.close()
    await client.get_path("/")
    await joe.get_path("/")
    with pytest.raises(BadRequest):
        client.impersonating("", ["system:masters"])


async def test_strict_writes(kubeconfig: Any, door: Any) -> None:
    queries: list[tuple[str, dict[str, str]]] = []

    async def handler(request: web.Request) -> web.Response:
        queries.append((request.method, dict(request.query)))
        return web.json_response(MAP)

    door.handler = handler
    client = ClusterClient.from_kubeconfig(kubeconfig(), strict=True)
    for write in WRITES.values():
        await write(client)
    await client.close()
    assert {method for method, query in queries if query.get("fieldValidation") == "Strict"} == {"POST", "PUT", "PATCH"}


async def test_any_path(client: ClusterClient, door: Any) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/readyz":
            return web.Response(text="etcd failed", status=500)
        return web.json_response({"path": request.path_qs})

    door.handler = handler
    assert json.loads(await client.get_path("/version", {"a": "b"})) == {"path": "/version?a=b"}
    with pytest.raises(Exception, match="500"):
        await client.get_path("/readyz")
