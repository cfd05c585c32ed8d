"""The REST face as a stranger's client sees it: status codes, bodies, headers, streams."""

from __future__ import annotations

import asyncio
import getpass
import io
import json
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from sympozium_core.contracts.cluster import BadRequest, Cluster, Forbidden, Review, User, Verdict
from sympozium_core.embedded.rest import make_app, serve_unix
from sympozium_core.embedded.rest_request import USER
from sympozium_core.embedded.store import Store
from sympozium_core.errors import Cause

ROOT = "/apis/sympozium.ai/v1alpha1"
RUNS = f"{ROOT}/namespaces/default/agentruns"
BODY = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": "one"}, "spec": {"task": "x"}}


async def journal(request: web.Request) -> web.Response:
    if request.match_info["name"] == "secret":
        raise Forbidden("not yours")
    return web.json_response({"user": request[USER].name, "run": request.match_info["name"]})


@pytest.fixture
async def http(store: Store, short_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    routes = [web.get(f"{ROOT}/namespaces/{{namespace}}/agentruns/{{name}}/journal", journal)]
    async with (
        serve_unix(make_app(store, routes=routes), short_path / "api.sock"),
        aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(short_path / "api.sock"))) as session,
    ):
        yield session


async def ask(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    async with http.request(method, path, **options) as response:
        return response.status, await response.json()


async def test_the_life_of_an_object(http: aiohttp.ClientSession) -> None:
    status, created = await ask(http, "POST", RUNS, json=BODY)
    assert (status, created["metadata"]["namespace"]) == (201, "default")
    assert await ask(http, "GET", f"{RUNS}/one") == (200, created)
    status, replaced = await ask(http, "PUT", f"{RUNS}/one", json=created | {"spec": {"task": "y"}})
    assert (status, replaced["spec"]) == (200, {"task": "y"})
    status, ready = await ask(http, "PUT", f"{RUNS}/one/status", json=replaced | {"status": {"phase": "Running"}})
    assert await ask(http, "GET", f"{RUNS}/one/status") == (200, ready)
    status, deleted = await ask(http, "DELETE", f"{RUNS}/one")
    assert (status, deleted["kind"], deleted["status"]) == (200, "Status", "Success")
    assert deleted["details"] == {
        "name": "one",
        "group": "sympozium.ai",
        "kind": "agentruns",
        "uid": created["metadata"]["uid"],
    }
    status, missing = await ask(http, "GET", f"{RUNS}/one")
    assert (status, missing["kind"], missing["reason"], missing["code"]) == (404, "Status", "NotFound", 404)
    assert missing["details"] == {"name": "one", "group": "sympozium.ai", "kind": "agentruns"}


async def test_a_list(http: aiohttp.ClientSession) -> None:
    for name in ("a", "b", "c"):
        await ask(http, "POST", RUNS, json={**BODY, "metadata": {"name": name, "labels": {"l": name}}})
    status, page = await ask(http, "GET", f"{RUNS}?limit=2")
    assert (status, page["kind"], page["apiVersion"]) == (200, "AgentRunList", "sympozium.ai/v1alpha1")
    assert [item["metadata"]["name"] for item in page["items"]] == ["a", "b"]
    assert page["metadata"]["remainingItemCount"] == 1
    _, rest = await ask(http, "GET", RUNS, params={"limit": "2", "continue": page["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]
    assert "continue" not in rest["metadata"]
    _, everywhere = await ask(http, "GET", f"{ROOT}/agentruns?labelSelector=l+in+(a,c)&fieldSelector=metadata.name!=c")
    assert [item["metadata"]["name"] for item in everywhere["items"]] == ["a"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", f"{ROOT}/namespaces/default/gadgets", 404, "NotFound"),
        ("GET", "/apis/other.io/v1/agentruns", 404, "NotFound"),
        ("GET", f"{RUNS}/one/scale", 404, "NotFound"),
        ("GET", "/api/v1/namespaces/default/secrets/none", 404, "NotFound"),
        ("PATCH", RUNS, 405, "MethodNotAllowed"),
        ("DELETE", f"{RUNS}/one/status", 405, "MethodNotAllowed"),
        ("POST", f"{ROOT}/agentruns", 405, "MethodNotAllowed"),
        ("GET", f"{RUNS}?limit=many", 400, "BadRequest"),
        ("GET", f"{RUNS}?limit=-1", 400, "BadRequest"),
        ("GET", f"{RUNS}?labelSelector=a+in+b", 400, "BadRequest"),
        ("GET", f"{RUNS}?fieldSelector=spec.task=x", 400, "BadRequest"),
        ("GET", f"{RUNS}?continue=x", 400, "BadRequest"),
        ("DELETE", f"{RUNS}/one?propagationPolicy=Maybe", 400, "BadRequest"),
        ("GET", f"{RUNS}?watch=1&sendInitialEvents=true", 422, "Invalid"),
    ],
)
async def test_what_is_not_there_is_a_status(
    http: aiohttp.ClientSession, method: str, path: str, status: int, reason: str
) -> None:
    code, body = await ask(http, method, path)
    assert (code, body["kind"], body["status"], body["reason"], body["code"]) == (status, "Status", "Failure", reason, status)
    assert body["message"]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"metadata": {"name": "one"}, "spec": {"a": NaN}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"metadata": []}', "application/json", 400),
        (b'{"metadata": {"name": "one", "namespace": "other"}}', "application/json", 400),
        (b'{"metadata": {"name": "one"}, "spec": {"a": "\\ud800"}}', "application/json", 400),
        (b'{"kind": "Gadget", "metadata": {"name": "one"}}', "application/json", 422),
        (b"kind: AgentRun", "application/yaml", 415),
        (b'{"a": "' + b"x" * 3_200_000 + b'"}', "application/json", 413),
        (b'{"metadata": {"name": "one"}, "spec": {"a": "' + b"x" * 1_600_000 + b'"}}', "application/json", 413),
    ],
)
async def test_bodies_that_are_refused(http: aiohttp.ClientSession, data: bytes, content_type: str, status: int) -> None:
    code, body = await ask(http, "POST", RUNS, data=io.BytesIO(data), headers={"Content-Type": content_type})
    assert (code, body["kind"], body["code"]) == (status, "Status", status)
    assert await ask(http, "GET", "/version")


@pytest.mark.parametrize(
    "content_type", ["application/strategic-merge-patch+json", "application/apply-patch+yaml", "application/json"]
)
async def test_other_patches_are_refused(http: aiohttp.ClientSession, content_type: str) -> None:
    await ask(http, "POST", RUNS, json=BODY)
    status, body = await ask(http, "PATCH", f"{RUNS}/one", data=b"{}", headers={"Content-Type": content_type})
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")
    assert "merge-patch" in body["message"]


async def test_patches_go_by_content_type(http: aiohttp.ClientSession) -> None:
    await ask(http, "POST", RUNS, json=BODY)
    merge = {"headers": {"Content-Type": "application/merge-patch+json"}}
    _, merged = await ask(http, "PATCH", f"{RUNS}/one", data=b'{"spec": {"more": 1}}', **merge)
    assert merged["spec"] == {"task": "x", "more": 1}
    steps = b'[{"op": "remove", "path": "/spec/more"}]'
    _, patched = await ask(http, "PATCH", f"{RUNS}/one", data=steps, headers={"Content-Type": "application/json-patch+json"})
    assert patched["spec"] == {"task": "x"}


async def test_delete_options(http: aiohttp.ClientSession) -> None:
    _, created = await ask(http, "POST", RUNS, json=BODY)
    status, _ = await ask(http, "DELETE", f"{RUNS}/one", json={"preconditions": {"uid": "other"}})
    assert status == 409
    assert (await ask(http, "DELETE", f"{RUNS}/one", json={"dryRun": ["All"]}))[0] == 200
    assert (await ask(http, "DELETE", f"{RUNS}/one", json={"preconditions": "x"}))[0] == 400
    assert (await ask(http, "GET", f"{RUNS}/one"))[0] == 200
    status, left = await ask(http, "DELETE", f"{RUNS}/one", json={"propagationPolicy": "Foreground", "gracePeriodSeconds": 0})
    assert (status, left["metadata"]["uid"]) == (200, created["metadata"]["uid"])
    assert left["metadata"]["finalizers"] == ["foregroundDeletion"]


async def test_dry_run(http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "POST", f"{RUNS}?dryRun=All", json=BODY))[0] == 201
    assert (await ask(http, "GET", f"{RUNS}/one"))[0] == 404
    assert (await ask(http, "POST", f"{RUNS}?dryRun=Some", json=BODY))[0] == 400


async def test_refusals_and_warnings_of_admission(http: aiohttp.ClientSession, store: Store) -> None:
    class Judge:
        async def review(self, review: Review) -> Verdict:
            if review.operation == "UPDATE":
                return Verdict(causes=(Cause("spec.task", "is immutable", "make a new run"),))
            assert review.user.name == f"local:{getpass.getuser()}"
            return Verdict(warnings=('say "please"\n', "ünï"))

    store.use_admission(Judge())
    async with http.post(RUNS, json=BODY) as response:
        assert response.headers.getall("Warning") == ['299 - "say \\"please\\" "', '299 - "ünï"']
    status, body = await ask(
        http, "PATCH", f"{RUNS}/one", data=b'{"spec": {"task": "y"}}', headers={"Content-Type": "application/merge-patch+json"}
    )
    assert (status, body["reason"]) == (403, "Forbidden")
    cause = {"reason": "FieldValueInvalid", "field": "spec.task", "message": "is immutable (make a new run)"}
    assert body["details"]["causes"] == [cause]


async def lines(response: aiohttp.ClientResponse, count: int) -> list[Any]:
    async with asyncio.timeout(10):
        return [json.loads(await response.content.readline()) for _ in range(count)]


async def test_a_watch_streams_lines(http: aiohttp.ClientSession, cluster: Cluster) -> None:
    _, created = await ask(http, "POST", RUNS, json=BODY)
    async with http.get(f"{RUNS}?watch=1") as response:
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert await lines(response, 1) == [{"type": "ADDED", "object": created}]
        await ask(http, "DELETE", f"{RUNS}/one")
        assert [event["type"] for event in await lines(response, 1)] == ["DELETED"]


async def test_a_watch_ends_in_time_and_has_bookmarks_if_asked(http: aiohttp.ClientSession, store: Store) -> None:
    async def watch(more: str) -> list[Any]:
        async with http.get(f"{RUNS}?watch=true&resourceVersion={store.revision}&timeoutSeconds=1{more}") as response:
            return [json.loads(line) async for line in response.content]

    silent, marked = await asyncio.gather(watch(""), watch("&allowWatchBookmarks=true"))
    assert silent == []
    bookmark = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"resourceVersion": str(store.revision)}}
    assert marked == [{"type": "BOOKMARK", "object": bookmark}]


async def test_a_watch_that_is_too_old_ends_with_an_error_event(http: aiohttp.ClientSession) -> None:
    async with http.get(f"{RUNS}?watch=1&resourceVersion=999999") as response:
        (event,) = [json.loads(line) async for line in response.content]
    assert (event["type"], event["object"]["kind"], event["object"]["code"]) == ("ERROR", "Status", 410)
    assert event["object"]["reason"] == "Expired"


async def test_a_client_that_leaves_leaves_nothing(http: aiohttp.ClientSession, store: Store) -> None:
    response = await http.get(f"{RUNS}?watch=1&resourceVersion={store.revision}")
    watchers = store._hub._watchers["agentruns.sympozium.ai"]
    assert len(watchers) == 1
    response.close()
    async with asyncio.timeout(5):
        while watchers:  # noqa: ASYNC110 - the other end closes when it closes
            await asyncio.sleep(0.005)


async def test_open_watches_do_not_hold_up_the_end(store: Store, short_path: Path) -> None:
    path = short_path / "other.sock"
    async with aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(path))) as session:
        async with asyncio.timeout(2):
            async with serve_unix(make_app(store), path):
                response = await session.get(f"{RUNS}?watch=1&resourceVersion={store.revision}")
        response.close()
    assert not path.exists()


async def test_the_routes_of_others(http: aiohttp.ClientSession) -> None:
    assert await ask(http, "GET", f"{RUNS}/one/journal") == (200, {"user": f"local:{getpass.getuser()}", "run": "one"})
    status, body = await ask(http, "GET", f"{RUNS}/secret/journal")
    assert (status, body["reason"]) == (403, "Forbidden")


async def test_health_and_version(http: aiohttp.ClientSession) -> None:
    for path in ("/healthz", "/readyz", "/livez"):
        async with http.get(path) as response:
            assert (response.status, await response.text()) == (200, "ok")
    assert (await ask(http, "GET", "/version"))[1]["major"] == "1"


async def test_not_ready(store: Store, short_path: Path) -> None:
    path = short_path / "other.sock"
    async with (
        serve_unix(make_app(store, ready=lambda: False), path),
        aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(path))) as session,
        session.get("/readyz") as response,
    ):
        assert response.status == 503


async def test_the_socket_is_nobody_elses(http: aiohttp.ClientSession, short_path: Path) -> None:
    mode = (short_path / "api.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_socket_that_was_left_behind_is_replaced(store: Store, short_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(short_path / "api.sock"))
    left.close()
    async with (
        serve_unix(make_app(store), short_path / "api.sock"),
        aiohttp.ClientSession("http://localhost", connector=aiohttp.UnixConnector(str(short_path / "api.sock"))) as session,
    ):
        assert (await ask(session, "GET", "/version"))[0] == 200


async def test_a_socket_path_has_an_end(store: Store, short_path: Path) -> None:
    with pytest.raises(BadRequest, match="shorter data directory"):
        async with serve_unix(make_app(store), short_path / ("x" * 120)):
            pass


async def test_over_tcp_nobody_is_known_unless_somebody_says_who(store: Store) -> None:
    for identify, status in ((None, 401), (lambda request: User("token:ada"), 200)):
        runner = web.AppRunner(make_app(store, identify=identify))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with aiohttp.ClientSession() as session:
            assert (await ask(session, "GET", f"http://127.0.0.1:{port}{RUNS}"))[0] == status
        await runner.cleanup()
