"""The webhook over a real socket, as an API server asks it, and as nobody should. TLS is in `test_tls`, a real API server in tests/kubernetes."""

from __future__ import annotations

import asyncio
import base64
import copy
import http.client
import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from sympozium_core import names
from sympozium_core.admission import envelope
from sympozium_core.admission.webhook import make_app
from sympozium_core.cluster.patches import json_patch
from sympozium_core.contracts.cluster import Review, Unavailable, Verdict
from sympozium_core.errors import Cause
from sympozium_core.resources.kinds import AGENT_RUN

UID = "0b5c7c2e-6f6f-4b59-8f61-9f7d8a1c2e3d"
BOB = {"username": "bob", "uid": "7", "groups": ["ops", "system:authenticated"], "extra": {"scopes": ["a", "b"]}}
KINDS = {
    "AgentRun": "agentruns",
    "SympoziumInstance": "sympoziuminstances",
    "SkillPack": "skillpacks",
    "ToolApproval": "toolapprovals",
}


def request(obj: dict[str, Any], old: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An AdmissionReview as kube-apiserver 1.36 writes it."""
    kind = obj["kind"]
    body = {
        "uid": UID,
        "kind": {"group": names.GROUP, "version": names.VERSION, "kind": kind},
        "resource": {"group": names.GROUP, "version": names.VERSION, "resource": KINDS[kind]},
        "requestKind": {"group": names.GROUP, "version": names.VERSION, "kind": kind},
        "requestResource": {"group": names.GROUP, "version": names.VERSION, "resource": KINDS[kind]},
        "name": obj["metadata"].get("name", ""),
        "namespace": obj["metadata"]["namespace"],
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": BOB,
        "object": obj,
        "oldObject": old,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        **more,
    }
    return {"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION, "request": body}


Ask = Callable[[str, Any], Awaitable[dict[str, Any]]]


class Served:
    """The webhook on a port; `ask` gives back the `response` of an answer."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url, self.session = url, session

    async def send(self, path: str, body: bytes) -> tuple[int, bytes]:
        async with self.session.post(
            self.url + path, data=io.BytesIO(body), headers={"Content-Type": "application/json"}
        ) as answer:
            return answer.status, await answer.read()

    async def ask(self, path: str, body: Any) -> dict[str, Any]:
        status, text = await self.send(path, json.dumps(body).encode())
        assert status == 200, text
        answer = json.loads(text)
        assert (answer["kind"], answer["apiVersion"]) == ("AdmissionReview", envelope.API_VERSION)
        found: dict[str, Any] = answer["response"]
        return found


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def start(admission: Any, **options: Any) -> Served:
        runner = web.AppRunner(make_app(admission, **options), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        sessions.append(aiohttp.ClientSession())
        return Served(f"http://127.0.0.1:{runner.addresses[0][1]}", sessions[-1])

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def served(world: Any, serve: Any) -> Served:
    found: Served = await serve(world.reviewer)
    return found


def patched(obj: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    assert response["patchType"] == "JSONPatch"
    found: dict[str, Any] = json_patch(obj, json.loads(base64.b64decode(response["patch"])))
    return found


async def test_it_is_alive(served: Served) -> None:
    async with served.session.get(f"{served.url}/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_a_run_gets_its_requester_label_and_finalizer_and_passes_as_such(world: Any, served: Served) -> None:
    await world.instance()
    obj = world.run_object(requestedBy={"username": "root", "groups": ["system:masters"]})
    obj["metadata"]["finalizers"] = ["example.com/mine"]
    response = await served.ask("/mutate", request(obj))
    assert response["uid"] == UID
    assert response["allowed"] is True
    stamped = patched(obj, response)
    assert stamped["spec"]["requestedBy"] == {"username": "bob", "groups": ["ops", "system:authenticated"]}
    assert stamped["metadata"]["finalizers"] == ["example.com/mine", names.FINALIZER_RUN]
    assert stamped["metadata"]["labels"] == {names.LABEL_INSTANCE: "agent"}
    assert await served.ask("/validate", request(stamped)) == {"uid": UID, "allowed": True}


async def test_a_decision_gets_its_decider_and_passes_as_such(world: Any, served: Served) -> None:
    question = {"runRef": "r", "runUID": "1", "call": "c", "tool": "t", "expiresAt": "2999-01-01T00:00:00Z"}
    asked = world.resource("ToolApproval", "ask", {**question, "requestedBy": {"username": "alice", "groups": []}})
    forged = {"decision": "Approved", "decidedBy": {"username": "root", "groups": []}, "decidedAt": "2001-01-01T00:00:00Z"}
    obj = {**asked, "spec": {**asked["spec"], **forged}}
    decided = patched(obj, await served.ask("/mutate", request(obj, asked)))
    assert decided["spec"]["decidedBy"] == {"username": "bob", "groups": ["ops", "system:authenticated"]}
    assert not decided["spec"]["decidedAt"].startswith("2001")
    assert await served.ask("/validate", request(decided, asked)) == {"uid": UID, "allowed": True}
    decided["spec"]["decidedBy"]["username"] = "root"
    assert (await served.ask("/validate", request(decided, asked)))["allowed"] is False


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda run: run["spec"]["requestedBy"].update(username="root"), "spec.requestedBy.username"),
        (lambda run: run["spec"]["requestedBy"]["groups"].append("system:masters"), "spec.requestedBy.groups"),
        (lambda run: run["spec"].pop("requestedBy"), "spec.requestedBy"),
        (lambda run: run["metadata"].pop("finalizers"), "metadata.finalizers"),
        (
            lambda run: run["metadata"]["labels"].update({names.LABEL_INSTANCE: "other"}),
            f"metadata.labels.{names.LABEL_INSTANCE}",
        ),
    ],
)
async def test_what_another_webhook_overwrote_is_refused(world: Any, served: Served, change: Any, place: str) -> None:
    await world.instance()
    obj = world.run_object()
    stamped = patched(obj, await served.ask("/mutate", request(obj)))
    change(stamped)
    response = await served.ask("/validate", request(stamped))
    assert response["allowed"] is False
    assert response["status"]["code"] == 403
    (cause,) = response["status"]["details"]["causes"]
    assert cause["field"].startswith(place)
    assert "after admission had set it" in cause["message"]


async def test_what_another_webhook_adds_is_reviewed_like_the_rest(world: Any, served: Served) -> None:
    await world.instance()
    obj = world.run_object()
    stamped = patched(obj, await served.ask("/mutate", request(obj)))
    stamped["spec"]["timeout"] = "soon"
    assert (await served.ask("/validate", request(stamped)))["allowed"] is False


async def test_a_refusal_has_every_cause_in_details_and_in_words(world: Any, served: Served) -> None:
    await world.instance()
    obj = world.run_object(timeout="soon", cleanup="OnFailure", taks="x")
    for path in ("/mutate", "/validate"):
        response = await served.ask(path, request(obj))
        status = response["status"]
        assert (response["allowed"], response["uid"]) == (False, UID)
        assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
        assert status["details"]["name"] == "run"
        assert {cause["field"] for cause in status["details"]["causes"]} == {"spec.timeout", "spec.cleanup", "spec.taks"}
        for words in ('AgentRun "run" is invalid', "spec.timeout", "spec.cleanup", "did you mean task?"):
            assert words in status["message"]


async def test_a_long_refusal_keeps_all_of_its_causes(world: Any, serve: Any) -> None:
    class Refuser:
        async def review(self, review: Review) -> Verdict:
            return Verdict(causes=tuple(Cause(f"spec.field{n}", "x" * 300) for n in range(90)))

    served: Served = await serve(Refuser())
    status = (await served.ask("/mutate", request(world.run_object())))["status"]
    assert len(status["details"]["causes"]) == 90
    assert status["message"].count("spec.field") > 40
    assert len(status["message"]) < 17_000


async def test_warnings_pass_through(world: Any, served: Served) -> None:
    obj = world.instance_object(policy="nowhere", skills=["no-such-skill"])
    response = await served.ask("/validate", request(obj))
    assert response["allowed"] is True
    assert any("nowhere" in warning for warning in response["warnings"])
    assert all(len(warning) <= envelope.MAX_WARNING for warning in response["warnings"])


@pytest.mark.parametrize("path", ["/mutate", "/validate"])
async def test_other_kinds_come_back_as_they_were_written(world: Any, served: Served, path: str) -> None:
    response = await served.ask(path, request(world.instance_object()))
    assert response["allowed"] is True
    assert "patch" not in response


async def test_rights_are_asked_for_the_user_of_the_request(world: Any, served: Served) -> None:
    seen: list[Any] = []

    async def may(user: Any, access: Any) -> bool:
        seen.append(user)
        return False

    world.rights.may = may
    obj = world.instance_object(provider={"name": "openai", "model": "m", "apiKeySecret": "key"})
    response = await served.ask("/validate", request(obj))
    assert "'bob' may not get Secret 'key'" in response["status"]["message"]
    assert (seen[0].name, seen[0].uid, seen[0].groups) == ("bob", "7", ("ops", "system:authenticated"))
    assert seen[0].extra == {"scopes": ("a", "b")}


async def test_a_dry_run_is_decided_alike_and_nothing_is_written(world: Any, served: Served) -> None:
    await world.instance()
    before = await world.alice.list(AGENT_RUN, "default")
    obj = world.run_object()
    wet, dry = [await served.ask("/mutate", request(obj, dryRun=dry)) for dry in (False, True)]
    assert wet == dry
    assert (await world.alice.list(AGENT_RUN, "default")).resource_version == before.resource_version


async def test_finalizers_can_always_go(world: Any, served: Served) -> None:
    """Even of a run whose spec is invalid now and whose instance is gone."""
    old = world.run_object(timeout="soon")
    old["metadata"] |= {"finalizers": [names.FINALIZER_RUN], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    new = copy.deepcopy(old)
    del new["metadata"]["finalizers"]
    assert (await served.ask("/validate", request(new, old)))["allowed"] is True


async def test_a_deletion_is_none_of_its_business(world: Any, served: Served) -> None:
    obj = world.run_object()
    body = request(obj, obj, operation="DELETE", object=None)
    assert await served.ask("/validate", body) == {"uid": UID, "allowed": True}


async def test_a_name_that_is_still_to_be_made_is_none(world: Any, served: Served) -> None:
    await world.instance()
    obj = world.run_object()
    obj["metadata"] = {"generateName": "run-", "namespace": "default"}
    response = await served.ask("/mutate", request(obj, name=""))
    assert response["allowed"] is True
    refused = await served.ask(
        "/mutate", request(world.run_object(instanceRef="nobody") | {"metadata": obj["metadata"]}, name="")
    )
    assert '"run-" is forbidden' in refused["status"]["message"]


MALFORMED: list[tuple[Any, int]] = [
    (b"", 400),
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b'{"kind": "AdmissionReview", "a": NaN}', 400),
    ([], 400),
    ({}, 400),
    ({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": UID}}, 400),
    ({"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION}, 400),
    ({"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION, "request": {"uid": 7}}, 400),
    ({"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION, "request": {"uid": "a\nb"}}, 400),
    ({"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION, "request": {"uid": "x" * 1000}}, 400),
    ({"kind": "AdmissionReview", "apiVersion": envelope.API_VERSION, "request": {"uid": UID}}, 200),
]


@pytest.mark.parametrize(("body", "expected"), MALFORMED)
async def test_what_is_no_admission_review_is_answered_and_admits_nothing(served: Served, body: Any, expected: int) -> None:
    status, text = await served.send("/validate", body if isinstance(body, bytes) else json.dumps(body).encode())
    assert status == expected
    if status == 200:
        response = json.loads(text)["response"]
        assert (response["allowed"], response["uid"], response["status"]["code"]) == (False, UID, 400)


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "CONNECT"},
        {"operation": None},
        {"object": None},
        {"object": "text"},
        {"object": {"metadata": []}},
        {"userInfo": None},
        {"userInfo": {"username": ["a"]}},
        {"userInfo": {"username": "x" * 5000}},
        {"userInfo": {"username": "a", "groups": "b"}},
        {"userInfo": {"username": "a", "groups": [1]}},
        {"userInfo": {"username": "a", "extra": []}},
        {"userInfo": {"username": "a", "extra": {"a": "b"}}},
        {"kind": None},
        {"kind": {"group": 1}},
        {"resource": "agentruns"},
        {"namespace": {}},
        {"oldObject": 3},
    ],
)
async def test_a_request_of_the_wrong_shape_is_refused_under_its_uid(
    world: Any, served: Served, change: dict[str, Any]
) -> None:
    body = request(world.run_object())
    body["request"] |= change
    response = await served.ask("/mutate", body)
    assert (response["allowed"], response["uid"], response["status"]["code"]) == (False, UID, 400)
    assert "x" * 2000 not in json.dumps(response)


async def test_an_update_without_the_old_object_is_refused(world: Any, served: Served) -> None:
    response = await served.ask("/validate", request(world.run_object(), operation="UPDATE"))
    assert response["allowed"] is False


async def test_a_body_that_no_api_server_sends_is_not_read(served: Served) -> None:
    status, _ = await served.send("/mutate", b" " * (envelope.MAX_BODY + 1))
    assert status == 413


async def test_the_largest_object_is_reviewed_in_time(world: Any, served: Served) -> None:
    await world.instance()
    obj = world.run_object(task="x" * 1_400_000)
    assert (await served.ask("/mutate", request(obj)))["allowed"] is True


class Sleeper:
    async def review(self, review: Review) -> Verdict:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(("path", "options"), [("/mutate", {"deadline": 0.2}), ("/validate?timeout=1s", {"deadline": 30.0})])
async def test_a_review_that_takes_too_long_is_a_refusal(world: Any, serve: Any, path: str, options: dict[str, Any]) -> None:
    served: Served = await serve(Sleeper(), **options)
    async with asyncio.timeout(5):
        response = await served.ask(path, request(world.run_object()))
    assert (response["allowed"], response["uid"], response["status"]["code"]) == (False, UID, 503)
    assert "was not decided within" in response["status"]["message"]


async def test_a_body_that_never_ends_is_given_up(world: Any, serve: Any) -> None:
    served: Served = await serve(world.reviewer, deadline=0.2)
    host, _, port = served.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()


async def test_an_api_server_that_is_away_is_a_refusal(world: Any, serve: Any) -> None:
    class Cut:
        async def review(self, review: Review) -> Verdict:
            raise Unavailable("cannot reach the API server at https://10.96.0.1")

    served: Served = await serve(Cut())
    response = await served.ask("/validate", request(world.run_object()))
    assert (response["allowed"], response["status"]["code"]) == (False, 503)
    assert "cannot be decided now" in response["status"]["message"]


async def test_a_bug_is_a_refusal_and_quotes_nothing(world: Any, serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Buggy:
        async def review(self, review: Review) -> Verdict:
            assert review.object is not None
            raise ValueError(review.object["spec"]["task"])

    served: Served = await serve(Buggy())
    with caplog.at_level(logging.DEBUG):
        response = await served.ask("/validate", request(world.run_object(task="my secret plan")))
    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert "secret plan" not in json.dumps(response) + caplog.text
    assert "ValueError" in caplog.text


async def test_refusals_are_logged_without_values(world: Any, served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await served.ask("/mutate", request(world.run_object(task="my secret plan")))
    assert "CREATE of agentruns default/run by bob refused: spec.instanceRef" in caplog.text
    assert "secret plan" not in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "uid",
    "kind",
    "resource",
    "subResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
]


async def test_nothing_that_comes_in_breaks_it(world: Any, served: Served) -> None:
    """Whole bodies of anything, requests with any fields replaced, and objects with any part replaced."""
    await world.instance()
    address = served.url.removeprefix("http://")
    loop = asyncio.get_running_loop()

    def send(path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(address, timeout=20)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status in (200, 400)
        if answer.status == 200:
            response = json.loads(text)["response"]
            assert response["uid"] == json.loads(body)["request"]["uid"]
            assert isinstance(response["allowed"], bool)
            assert response["allowed"] or response["status"]["code"] in (400, 403, 422)  # no 500: that is a bug, caught

    @settings(max_examples=150, deadline=None)
    @given(
        path=st.sampled_from(["/mutate", "/validate"]),
        body=st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()),
    )
    def anything(path: str, body: bytes) -> None:
        send(path, body)

    @settings(max_examples=150, deadline=None)
    @given(
        path=st.sampled_from(["/mutate", "/validate"]),
        change=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3),
    )
    def fields(path: str, change: dict[str, Any]) -> None:
        body = request(world.run_object())
        body["request"] |= change
        send(path, json.dumps(body).encode())

    @settings(max_examples=200, deadline=None)
    @given(
        kind=st.sampled_from(sorted(KINDS)),
        spec=st.dictionaries(
            st.sampled_from(
                ["instanceRef", "task", "skills", "skillConfig", "model", "provider", "agents", "authRefs", "sidecar", "policy"]
            ),
            JSON,
            max_size=5,
        ),
        metadata=st.dictionaries(
            st.sampled_from(["name", "labels", "annotations", "finalizers", "ownerReferences"]), JSON, max_size=3
        ),
        update=st.booleans(),
    )
    def objects(kind: str, spec: dict[str, Any], metadata: dict[str, Any], update: bool) -> None:
        obj = world.resource(kind, "run", spec)
        obj["metadata"] |= metadata
        old = world.resource(kind, "run", {"task": 1}) if update else None
        send("/validate", json.dumps(request(obj, old, name="run")).encode())

    for examples in (anything, fields, objects):
        await loop.run_in_executor(None, examples)


@given(before=JSON, after=JSON)
def test_a_patch_makes_of_the_one_the_other(before: Any, after: Any) -> None:
    """The differ is a library's; that it is right is ours to know."""
    import jsonpatch

    before, after = {"spec": _finite(before)}, {"spec": _finite(after)}
    assert json_patch(before, jsonpatch.make_patch(before, after).patch) == after


def _finite(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_constant=lambda name: 0)
